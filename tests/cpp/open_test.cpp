// Opening, its options, and what failures say.
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <mutex>

#include "cpp/support.h"

namespace {

using cpp_test::error_of;
using shmutex::flags;

class Open : public testing::Test {
 protected:
  mode_t mode() const {
    struct stat status {};
    EXPECT_EQ(stat(path_.c_str(), &status), 0);
    return status.st_mode & 07777;
  }

  support::TempDir dir_;
  const std::string path_ = dir_ / "lock";
};

TEST_F(Open, CreatesWithTheModeAskedFor) {
  { const shmutex::mutex m(path_); }
  EXPECT_EQ(mode(), 0600u);
  shmutex::unlink(path_);
  { const shmutex::mutex m(path_, flags::none, nullptr, 0640); }
  EXPECT_EQ(mode(), 0640u);
}

TEST_F(Open, TakesEveryKindOfPath) {
  const shmutex::mutex by_string(path_);
  const shmutex::mutex by_pointer(path_.c_str());
  const shmutex::mutex by_path(std::filesystem::path{path_});
  EXPECT_EQ(by_path.info().links, 1u);
  EXPECT_EQ(error_of([&] { const shmutex::mutex m(path_ + std::string(1, '\0') + "x"); }), EINVAL);
  EXPECT_EQ(error_of([] { const shmutex::mutex m(""); }), EINVAL);
}

TEST_F(Open, MustExistAndMustCreate) {
  EXPECT_EQ(error_of([&] { const shmutex::mutex m(path_, flags::must_exist); }), ENOENT);
  { const shmutex::mutex m(path_, flags::must_create); }
  EXPECT_EQ(error_of([&] { const shmutex::mutex m(path_, flags::must_create); }), EEXIST);
  { const shmutex::mutex m(path_, flags::must_exist); }
  EXPECT_EQ(error_of([&] { const shmutex::mutex m(path_, flags::must_exist | flags::must_create); }), EINVAL);
}

TEST_F(Open, AttributesMustMatch) {
  const shmutex::recursive_mutex recursive(path_);
  EXPECT_EQ(recursive.info().attributes, unsigned{SHMUTEX_RECURSIVE});
  EXPECT_EQ(error_of([&] { const shmutex::mutex m(path_); }), EPROTOTYPE);
  EXPECT_EQ(error_of([&] { const shmutex::recursive_mutex m(path_, flags::fair); }), EPROTOTYPE);
  shmutex::mutex any(path_, flags::any_attributes);
  any.lock();
  any.lock();
  any.unlock();
  any.unlock();
}

TEST_F(Open, AFairLockIsFair) {
  shmutex::recursive_mutex m(path_, flags::fair);
  EXPECT_EQ(m.info().attributes, unsigned{SHMUTEX_FAIR} | unsigned{SHMUTEX_RECURSIVE});
  const std::scoped_lock guard(m);
  support::Child other([&] {
    shmutex::recursive_mutex same(path_, flags::fair);
    return same.try_lock_for(std::chrono::milliseconds(10)) ? 1 : 0;
  });
  EXPECT_EQ(other.wait(), 0);
}

TEST_F(Open, ErrorsCarryTheCodeAndTheDetail) {
  std::ofstream(path_) << "something else";
  try {
    const shmutex::mutex m(path_);
    FAIL() << "opened a file that is no lock";
  } catch (const std::system_error& error) {
    EXPECT_EQ(error.code(), std::error_code(EBADMSG, std::generic_category()));
    EXPECT_EQ(error.code(), std::errc::bad_message);
    EXPECT_NE(std::string(error.what()).find(path_ + " is not a lock file"), std::string::npos) << error.what();
    EXPECT_EQ(std::string(error.what()).find(".:"), std::string::npos) << error.what();
  }
}

std::string words_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const std::system_error& error) {
    return error.what();
  }
  return "nothing was thrown";
}

TEST_F(Open, ErrorsAdviseInCpp) {
  const auto has = [](const std::string& text, const char* words) { return text.find(words) != std::string::npos; };
  shmutex::mutex m(path_);
  m.lock();
  const std::string relock = words_of([&] { m.lock(); });
  EXPECT_TRUE(has(relock, "use a recursive_mutex")) << relock;
  m.unlock();
  const std::string existing = words_of([&] { const shmutex::mutex again(path_, shmutex::flags::must_create); });
  EXPECT_TRUE(has(existing, "Leave flags::must_create out")) << existing;
  support::Child owner([&] {
    m.lock();
    _exit(0);
    return 0;
  });
  owner.wait();
  const std::string died = words_of([&] { m.lock(); });
  EXPECT_TRUE(has(died, "with a recovery function")) << died;
  for (const std::string& text : {relock, existing, died}) EXPECT_FALSE(has(text, "shmutex_")) << text;
}

TEST_F(Open, NativeHandleIsTheCHandle) {
  shmutex::mutex m(path_);
  EXPECT_EQ(shmutex_lock(m.native_handle()), 0);
  EXPECT_TRUE(m.owned());
  m.unlock();
  EXPECT_EQ(shmutex_is_owned(m.native_handle()), 0);
}

TEST_F(Open, InfoInspectAndToken) {
  shmutex::mutex m(path_);
  const auto before = m.token();
  m.lock();
  EXPECT_EQ(m.token(), before + 1);
  const shmutex_info_t seen = shmutex::inspect(path_);
  EXPECT_EQ(seen.state, unsigned{SHMUTEX_STATE_HELD});
  EXPECT_EQ(seen.owner_pid, getpid());
  EXPECT_EQ(m.info().owner_tid, seen.owner_tid);
  EXPECT_EQ(m.info().token, before + 1);
  m.unlock();
  EXPECT_EQ(m.info().state, unsigned{SHMUTEX_STATE_FREE});
  EXPECT_EQ(error_of([&] { shmutex::inspect(dir_ / "nothing"); }), ENOENT);
}

TEST_F(Open, UnlinkRetiresTheLock) {
  shmutex::mutex m(path_);
  m.lock();
  EXPECT_EQ(error_of([&] { shmutex::unlink(path_); }), EBUSY);
  m.unlock();
  shmutex::unlink(path_);
  EXPECT_EQ(error_of([&] { m.lock(); }), EIDRM);
  EXPECT_EQ(error_of([&] { m.try_lock(); }), EIDRM);
  EXPECT_EQ(error_of([&] { shmutex::unlink(path_); }), ENOENT);
  shmutex::mutex created(path_);
  EXPECT_TRUE(created.try_lock());
  created.unlock();
}

}  // namespace
