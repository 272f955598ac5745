// The header first and alone, as C++; twice; and beside a namespace of the library's name.
#include <shmutex/shmutex.h>

#include <shmutex/shmutex.h>

namespace shmutex {
class mutex {};
}  // namespace shmutex

int main() {
  const shmutex::mutex unused{};
  static_cast<void>(unused);
  shmutex_t* none = nullptr;
  return shmutex_token(none) == 0 ? 0 : 1;
}
