// What a later version made is refused by name, written to by no function, and never taken over, stale or not.
#include <errno.h>
#include <string.h>

#include <functional>
#include <string>
#include <vector>

#include "support/calls.h"
#include "support/lock_page.h"
#include "support/support.h"

namespace {

using shmutex::Header;
using support::Handle;
using support::LockPage;

struct Demand {
  std::string name;  // what the sentence must say
  std::function<void(Header&)> make;
};

std::vector<Demand> demands() {
  std::vector<Demand> out;
  const std::vector<std::string> kinds = {"a condition variable", "an event",  "a semaphore",
                                          "a read-write lock",    "a barrier", "a ring",
                                          "an object of kind 7"};
  for (uint16_t kind = 1; kind <= kinds.size(); ++kind) {
    out.push_back({kinds[kind - 1u], [kind](Header& header) { header.kind = kind; }});
  }
  for (const unsigned bit : {2u, 3u, 17u, 30u, 31u}) {
    char number[16];
    snprintf(number, sizeof number, "0x%x", 1u << bit);
    out.push_back({std::string("attributes (") + number, [bit](Header& header) { header.attributes |= 1u << bit; }});
  }
  for (const unsigned bit : {0u, 1u, 17u, 31u}) {
    char number[16];
    snprintf(number, sizeof number, "0x%x", 1u << bit);
    out.push_back({std::string("features (") + number, [bit](Header& header) { header.must_understand = 1u << bit; }});
  }
  return out;
}

void expect_refused(int result, const Demand& demand) {
  EXPECT_EQ(result, EPROTONOSUPPORT) << demand.name;
  EXPECT_NE(std::string(shmutex_error_detail()).find(demand.name), std::string::npos) << shmutex_error_detail();
}

class Refusals : public testing::Test {
 protected:
  void expect_file_is_left_alone(const LockPage& page, const Demand& demand) {
    page.write(path_);
    const std::string before = support::content_of(path_);
    const uint64_t inode = support::inode_of(path_);
    expect_refused(CALL(Handle(path_).error()), demand);
    expect_refused(CALL(Handle(path_, SHMUTEX_ANY_ATTR | SHMUTEX_MUST_EXIST).error()), demand);
    EXPECT_EQ(CALL(Handle(path_, SHMUTEX_MUST_CREATE).error()), EEXIST);
    expect_refused(CALL(shmutex_unlink(path_.c_str(), 0)), demand);
    shmutex_info_t info{};
    info.size = sizeof info;
    expect_refused(CALL(shmutex_inspect(path_.c_str(), &info)), demand);
    EXPECT_EQ(support::content_of(path_), before) << demand.name;
    EXPECT_EQ(support::inode_of(path_), inode);
  }

  support::TempDir directory_;
  const std::string path_ = directory_ / "lock";
};

TEST_F(Refusals, Files) {
  for (const Demand& demand : demands()) {
    LockPage page;
    demand.make(page.header);
    expect_file_is_left_alone(page.seal(), demand);
  }
}

TEST_F(Refusals, StaleFiles) {
  for (const Demand& demand : demands()) {
    LockPage page;
    demand.make(page.header);
    expect_file_is_left_alone(page.of_another_boot(), demand);
    page.line.state = shmutex::state::retired;  // whatever these bits mean there
    expect_file_is_left_alone(page.of_another_pid_namespace(), demand);
    page.header.validity = shmutex::validity::resetting;
    expect_file_is_left_alone(page, demand);
    page.header.version = 2;
    expect_file_is_left_alone(page, demand);
    page.file_size *= 5;
    expect_file_is_left_alone(page, demand);
  }
}

struct alignas(SHMUTEX_ALIGN) Memory {
  unsigned char bytes[SHMUTEX_SIZE] = {};
  Header& header() { return *reinterpret_cast<Header*>(bytes); }
};

void expect_memory_is_left_alone(Memory& memory, const Demand& demand, unsigned flags) {
  const Memory before = memory;
  Handle lock;
  expect_refused(CALL(lock.attach(&memory, sizeof memory, flags)), demand);
  EXPECT_EQ(memcmp(&memory, &before, sizeof memory), 0) << demand.name;
}

TEST_F(Refusals, Memory) {
  for (const Demand& demand : demands()) {
    for (const bool stale : {false, true}) {
      Memory memory;
      ASSERT_EQ(shmutex_init(&memory, sizeof memory, 0), 0);
      demand.make(memory.header());
      if (stale) memory.header().boot_id[0] = static_cast<uint8_t>(~memory.header().boot_id[0]);
      shmutex::seal(memory.header());
      expect_memory_is_left_alone(memory, demand, 0);
      expect_memory_is_left_alone(memory, demand, SHMUTEX_ANY_ATTR);
      expect_memory_is_left_alone(memory, demand, SHMUTEX_INIT_ONCE);
      const Memory before = memory;
      expect_refused(CALL(shmutex_destroy(&memory, sizeof memory)), demand);
      EXPECT_EQ(memcmp(&memory, &before, sizeof memory), 0);
    }
  }
}

// A later version's initialiser was killed in it, or is at work.
TEST_F(Refusals, MemoryThatIsNotYetValid) {
  for (const Demand& demand : demands()) {
    for (const uint32_t word : {0u, shmutex::word::owner_died, 1u}) {
      Memory memory;
      memory.header().magic = shmutex::buffer_magic;
      demand.make(memory.header());
      reinterpret_cast<shmutex::SharedLine*>(memory.bytes + sizeof(Header))->baton = word;
      expect_memory_is_left_alone(memory, demand, SHMUTEX_INIT_ONCE);
    }
  }
}

TEST_F(Refusals, WhatMayBeIgnoredIsKeptByAReset) {
  LockPage page;
  page.header.may_ignore = 0xdeadbeef;
  page.header.attributes = SHMUTEX_RECURSIVE;
  page.of_another_boot().write(path_);
  const Handle lock(path_, SHMUTEX_RECURSIVE);
  ASSERT_EQ(lock.error(), 0) << shmutex_error_detail();
  EXPECT_EQ(LockPage(path_).header.may_ignore, 0xdeadbeef);
  EXPECT_EQ(LockPage(path_).header.attributes, static_cast<uint32_t>(SHMUTEX_RECURSIVE));
  EXPECT_EQ(support::inspect(path_).same_boot, 1u);
}

TEST_F(Refusals, HeaderNamesItsFile) {
  const Handle lock(path_);
  EXPECT_EQ(LockPage(path_).header.inode, support::inode_of(path_));
  LockPage page;
  page.header.inode = 1;
  page.of_another_boot().write(path_ + "2");
  const Handle reset(path_ + "2");
  ASSERT_EQ(reset.error(), 0);
  EXPECT_EQ(LockPage(path_ + "2").header.inode, support::inode_of(path_ + "2"));
}

}  // namespace
