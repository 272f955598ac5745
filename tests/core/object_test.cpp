// What every kind of object gets from core/object, tried with a kind that only this test has: three pairs of pages.
#include "object/object.h"

#include <errno.h>
#include <gtest/gtest.h>
#include <string.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <string>

#include "error/failure.h"
#include "mutex/kind.h"
#include "object/close.h"
#include "object/kind.h"
#include "object/mapping.h"
#include "object/memory.h"
#include "object/open.h"
#include "object/remove.h"
#include "support/support.h"

namespace shmutex {
namespace {

constexpr uint32_t pages = 3;

// Its line: a mark, how often it was renewed, whether it is retired, the initialiser's word.
struct TestLine {
  uint64_t mark;
  uint32_t renewed;
  uint32_t retired;
  uint32_t initialiser;
};
constexpr uint64_t mark = 0x1122'3344'5566'7788;

TestLine& test_line(Line& line) { return reinterpret_cast<TestLine&>(line); }
TestLine& test_line(Object& object) { return reinterpret_cast<TestLine&>(object); }

const Kind test_kind = {
    .understood = {.kind = 99, .pages = pages, .features = 0, .attributes = 0x7},
    .memory_size = sizeof(Header) + 2 * line_size,
    .word_offset = 0,
    .make = [](Line& line) { test_line(line).mark = mark; },
    .renew = [](Line& line, bool) { ++test_line(line).renewed; },
    .is_retired = [](const Line& line) { return test_line(const_cast<Line&>(line)).retired != 0; },
    .set_retired = [](Object& object, bool retired) { test_line(object).retired = retired ? 1 : 0; },
    .take = [](Object&, uint32_t&, int&) { return Taken::taken; },
    .release = [](Object&) { return 0; },
    .is_held_here = [](const Object&) { return false; },
    .owner = [](const Object&) { return 0u; },
    .initialiser = [](Object& object) -> uint32_t& { return test_line(object).initialiser; },
};

std::string content_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_content(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

class Objects : public testing::Test {
 protected:
  int open(Object*& out, const Kind& kind, uint32_t attributes = 0) {
    return open_file(out, path_.c_str(),
                     {.kind = kind,
                      .attributes = attributes,
                      .any_attributes = false,
                      .creation = Creation::if_missing,
                      .mode = 0600});
  }

  char* shared_page(Object& object, size_t i) { return bytes_of(object) + line_size - page_ + 2 * i * page_; }
  TestLine line_in_file(size_t i) {
    const std::string content = content_of(path_);
    TestLine line{};
    memcpy(&line, content.data() + (i + 1) * page_ - line_size, sizeof line);
    return line;
  }

  // Of another boot from here on.
  void make_stale() {
    std::string content = content_of(path_);
    Header header{};
    memcpy(&header, content.data(), sizeof header);
    header.boot_id[0] = static_cast<uint8_t>(~header.boot_id[0]);
    seal(header);
    memcpy(content.data(), &header, sizeof header);
    write_content(path_, content);
  }

  support::TempDir directory_;
  const std::string path_ = directory_ / "object";
  const size_t page_ = static_cast<size_t>(sysconf(_SC_PAGESIZE));
};

TEST_F(Objects, HavePairsOfASharedAndAPrivatePage) {
  Object* object = nullptr;
  ASSERT_EQ(open(object, test_kind), 0) << failure_text();
  EXPECT_EQ(content_of(path_).size(), pages * page_);
  for (size_t i = 0; i < pages; ++i) {
    EXPECT_EQ(line_in_file(i).mark, mark) << i;
    char* const shared = shared_page(*object, i);
    shared[page_ - 1] = static_cast<char>('a' + i);
    EXPECT_EQ(content_of(path_)[(i + 1) * page_ - 1], static_cast<char>('a' + i)) << i;
  }
  const std::string before = content_of(path_);
  for (size_t i = 0; i < pages; ++i) memset(shared_page(*object, i) + page_ + page_ / 2, 0xff, page_ / 2);
  EXPECT_EQ(content_of(path_), before);
  EXPECT_EQ(&header_of(*object), reinterpret_cast<Header*>(shared_page(*object, 0)));
  EXPECT_EQ(header_of(*object).pages, pages);
  EXPECT_EQ(header_of(*object).kind, 99);
  EXPECT_EQ(close_object(*object, test_kind), 0);
}

TEST_F(Objects, AreOneForAllHandles) {
  Object* first = nullptr;
  Object* second = nullptr;
  ASSERT_EQ(open(first, test_kind), 0);
  ASSERT_EQ(open(second, test_kind), 0);
  EXPECT_EQ(first, second);
  EXPECT_EQ(close_object(*first, test_kind), 0);
  test_line(*second).renewed = 7;
  EXPECT_EQ(close_object(*second, test_kind), 0);
  EXPECT_EQ(line_in_file(0).renewed, 7u);
}

TEST_F(Objects, AreRenewedPageByPageWhenStale) {
  Object* object = nullptr;
  ASSERT_EQ(open(object, test_kind, 0x4), 0);
  ASSERT_EQ(close_object(*object, test_kind), 0);
  make_stale();
  ASSERT_EQ(open(object, test_kind, 0x4), 0) << failure_text();
  for (size_t i = 0; i < pages; ++i) {
    EXPECT_EQ(line_in_file(i).mark, mark) << i;
    EXPECT_EQ(line_in_file(i).renewed, 1u) << i;
  }
  EXPECT_EQ(attributes_of(*object), 0x4u);
  EXPECT_EQ(close_object(*object, test_kind), 0);
}

TEST_F(Objects, OfAKindThatIsNotKnownAreRefusedByName) {
  Object* object = nullptr;
  ASSERT_EQ(open(object, test_kind), 0);
  ASSERT_EQ(close_object(*object, test_kind), 0);
  EXPECT_EQ(open(object, mutex_kind), EPROTONOSUPPORT);
  EXPECT_NE(std::string(failure_text()).find("an object of kind 99"), std::string::npos) << failure_text();
  EXPECT_EQ(unlink_file(path_.c_str(), mutex_kind), EPROTONOSUPPORT);
  EXPECT_EQ(unlink_file(path_.c_str(), test_kind), 0);
  EXPECT_NE(access(path_.c_str(), F_OK), 0);
}

TEST_F(Objects, OfAnotherKindThanAskedForAreRefused) {
  Object* mutex = nullptr;
  Object* object = nullptr;
  ASSERT_EQ(open(mutex, mutex_kind), 0);
  const auto expect_refused = [&] {
    const std::string before = content_of(path_);
    EXPECT_EQ(open(object, test_kind), EPROTOTYPE);
    EXPECT_NE(std::string(failure_text()).find("is a mutex, and was asked for as an object of kind 99"),
              std::string::npos)
        << failure_text();
    EXPECT_EQ(unlink_file(path_.c_str(), test_kind), EPROTOTYPE);
    EXPECT_EQ(content_of(path_), before);
  };
  expect_refused();  // open in this process
  ASSERT_EQ(close_object(*mutex, mutex_kind), 0);
  expect_refused();
  make_stale();
  expect_refused();
}

TEST_F(Objects, InMemoryHaveOnePage) {
  alignas(memory_alignment) unsigned char memory[256] = {};
  Object* object = nullptr;
  const MemoryRequest request{.kind = test_kind, .attributes = 0x2, .any_attributes = false, .initialise = true};
  ASSERT_EQ(attach_memory(object, memory, sizeof memory, request), 0) << failure_text();
  EXPECT_EQ(test_line(*object).mark, mark);
  EXPECT_EQ(attributes_of(*object), 0x2u);
  EXPECT_TRUE(is_in_memory(*object));
  EXPECT_EQ(header_of(*object).pages, 1u);
  Object* mutex = nullptr;
  const MemoryRequest as_mutex{.kind = mutex_kind, .attributes = 0, .any_attributes = true, .initialise = true};
  EXPECT_EQ(attach_memory(mutex, memory, sizeof memory, as_mutex), EPROTONOSUPPORT);
  EXPECT_EQ(destroy_memory(memory, sizeof memory, mutex_kind), EPROTONOSUPPORT);
  EXPECT_EQ(close_object(*object, test_kind), 0);
  EXPECT_EQ(destroy_memory(memory, sizeof memory, test_kind), 0);
  EXPECT_EQ(attach_memory(object, memory, sizeof memory, request), EBADMSG);
}

}  // namespace
}  // namespace shmutex
