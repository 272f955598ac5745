// Every reason has advice in the words of each language: what stands behind the fact is nothing that a C program alone
// can do, and no line of a language's table is left over.
#include "advice.h"

#include <errno.h>
#include <gtest/gtest.h>
#include <shmutex/detail/advice.hpp>

#include <functional>
#include <regex>
#include <set>
#include <string>

#include "error/failure.h"

namespace shmutex {
namespace {

std::string sentence(shmutex_language language) {
  char text[SHMUTEX_SENTENCE_SIZE];
  shmutex_sentence(text, sizeof text, language, EIO);
  return text;
}

struct Language {
  const char* name;
  std::function<std::string()> sentence;  // of the last failure, with a full stop
  std::regex foreign;                     // words of other languages
};

const Language languages[] = {
    {"C++", [] { return detail::failure_text() + "."; }, std::regex(R"(shmutex_|SHMUTEX_(?!SIZE|ALIGN)|NULL|handle)")},
    {"Python", [] { return sentence(SHMUTEX_PYTHON); },
     std::regex(R"(shmutex_|SHMUTEX_|NULL|pointer|handle|header|unlock)")},
    {"Lua", [] { return sentence(SHMUTEX_LUA); },
     std::regex(R"(shmutex_|SHMUTEX_|NULL|pointer|handle|header|SharedMutex|release\(\))")},
};

template <class Check>
void for_each_reason(const Check& check) {
  for (int i = static_cast<int>(Reason::none) + 1; i < static_cast<int>(Reason::count); ++i) {
    fail(EIO, static_cast<Reason>(i), "/some/lock", 1, 1);
    check();
  }
}

TEST(Advice, OfEveryReasonSpeaksTheLanguage) {
  for (const Language& language : languages) {
    for_each_reason([&] {
      const std::string text = language.sentence();
      const std::string fact = failure_fact();
      ASSERT_EQ(text.substr(0, fact.size() + 1), fact + " ") << language.name;
      EXPECT_GT(text.size(), fact.size() + 10) << text;
      EXPECT_EQ(text.back(), '.') << text;
      EXPECT_FALSE(std::regex_search(text, language.foreign))
          << language.name << " lacks advice for " << failure_reason() << ": " << text;
    });
  }
}

TEST(Advice, IsForReasonsThatThereAreAndOnce) {
  std::set<std::string> reasons;
  for_each_reason([&] { reasons.insert(failure_reason()); });
  std::set<std::string> seen;
  for (const char* const reason : {
#define ADVICE(reason, python, lua) #reason,
#include "advice.inc"
#undef ADVICE
       }) {
    EXPECT_EQ(reasons.count(reason), 1u) << reason;
    EXPECT_TRUE(seen.insert(reason).second) << reason;
  }
  seen.clear();
  for (const detail::advice& each : detail::advice_table) {
    EXPECT_EQ(reasons.count(std::string(each.reason)), 1u) << each.reason;
    EXPECT_TRUE(seen.insert(std::string(each.reason)).second) << each.reason;
  }
}

TEST(Advice, WithoutAFailureTheCodeIsPutIntoWords) {
  fail(0, Reason::none);
  EXPECT_EQ(sentence(SHMUTEX_PYTHON), shmutex_strerror(EIO));
  EXPECT_EQ(detail::failure_text(), "");
}

}  // namespace
}  // namespace shmutex
