// Command lines of the form --name value, and lists with commas.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace bench {

class Options {
 public:
  // Ends the program when an argument is not "--name value" with one of the names.
  Options(int argc, char** argv, const std::vector<std::string>& names);

  std::string text(const std::string& name, const std::string& otherwise) const;
  double number(const std::string& name, double otherwise) const;
  int integer(const std::string& name, int otherwise) const;
  std::vector<std::string> list(const std::string& name, const std::string& otherwise) const;
  std::vector<int> integers(const std::string& name, const std::string& otherwise) const;

 private:
  std::map<std::string, std::string> values_;
};

}  // namespace bench
