#include "support/options.h"

#include <stdio.h>
#include <stdlib.h>

#include <algorithm>

namespace bench {

Options::Options(int argc, char** argv, const std::vector<std::string>& names) {
  for (int i = 1; i < argc; i += 2) {
    const std::string argument = argv[i];
    const bool known = argument.starts_with("--") && std::ranges::count(names, argument.substr(2)) != 0;
    if (known && i + 1 < argc) {
      values_[argument.substr(2)] = argv[i + 1];
      continue;
    }
    fprintf(stderr, "usage: %s", argv[0]);
    for (const std::string& name : names) fprintf(stderr, " [--%s value]", name.c_str());
    fprintf(stderr, "\n");
    exit(2);
  }
}

std::string Options::text(const std::string& name, const std::string& otherwise) const {
  const auto found = values_.find(name);
  return found == values_.end() ? otherwise : found->second;
}

double Options::number(const std::string& name, double otherwise) const {
  const auto found = values_.find(name);
  return found == values_.end() ? otherwise : atof(found->second.c_str());
}

int Options::integer(const std::string& name, int otherwise) const {
  const auto found = values_.find(name);
  return found == values_.end() ? otherwise : atoi(found->second.c_str());
}

std::vector<std::string> Options::list(const std::string& name, const std::string& otherwise) const {
  const std::string all = text(name, otherwise);
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin < all.size();) {
    const std::size_t end = std::min(all.find(',', begin), all.size());
    parts.push_back(all.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

std::vector<int> Options::integers(const std::string& name, const std::string& otherwise) const {
  std::vector<int> numbers;
  for (const std::string& part : list(name, otherwise)) numbers.push_back(atoi(part.c_str()));
  return numbers;
}

}  // namespace bench
