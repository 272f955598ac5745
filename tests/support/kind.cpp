#include "support/kind.h"

namespace support {

std::vector<Kind> in_both_places(const std::vector<Kind>& kinds) {
  std::vector<Kind> out = kinds;
  for (const Kind& kind : kinds) out.push_back(in_buffer(kind));
  return out;
}

std::string name_of_attributes(unsigned attributes) {
  const Kind kind{attributes};
  std::string name = kind.fair() ? "Fair" : "";
  if (kind.recursive()) name += "Recursive";
  return name.empty() ? "Plain" : name;
}

std::string name_of(const Kind& kind) {
  return name_of_attributes(kind.attributes) + (kind.in_buffer ? "Buffer" : "File");
}

}  // namespace support
