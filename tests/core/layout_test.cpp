// Where things lie: a promise to every process that maps a lock file, written down a second time, in numbers.
#include "layout/lock.h"

#include <gtest/gtest.h>

#include "layout/header.h"
#include "lock_buffer.h"
#include "lock_file.h"
#include "os/thread.h"
#include "registry.h"

namespace shmutex {
namespace {

TEST(Layout, HeaderOfFormatOne) {
  EXPECT_EQ(format_version, 1u);
  EXPECT_EQ(offsetof(Header, magic), 0u);
  EXPECT_EQ(offsetof(Header, boot_id), 8u);
  EXPECT_EQ(offsetof(Header, validity), 24u);
  EXPECT_EQ(offsetof(Header, version), 28u);
  EXPECT_EQ(offsetof(Header, unit_size), 32u);
  EXPECT_EQ(offsetof(Header, word_offset), 36u);
  EXPECT_EQ(offsetof(Header, futex_offset), 40u);
  EXPECT_EQ(offsetof(Header, attributes), 44u);
  EXPECT_EQ(offsetof(Header, pid_namespace), 48u);
  EXPECT_EQ(offsetof(Header, checksum), 56u);
}

TEST(Layout, SharedLineOfFormatOne) {
  EXPECT_EQ(offsetof(SharedLine, contended), 0u);
  EXPECT_EQ(offsetof(SharedLine, recoveries), 8u);
  EXPECT_EQ(offsetof(SharedLine, last_dead_tid), 12u);
  EXPECT_EQ(offsetof(SharedLine, last_owner), 16u);
  EXPECT_EQ(offsetof(SharedLine, token), 32u);
  EXPECT_EQ(offsetof(SharedLine, baton), 40u);
  EXPECT_EQ(offsetof(SharedLine, depth), 44u);
  EXPECT_EQ(offsetof(SharedLine, hint_expiry), 48u);
  EXPECT_EQ(offsetof(SharedLine, word), 56u);
  EXPECT_EQ(offsetof(SharedLine, state), 60u);
}

TEST(Layout, NumbersInFilesOfFormatOne) {
  EXPECT_EQ(state::poisoned, 1u);
  EXPECT_EQ(state::retired, 2u);
  EXPECT_EQ(state::inconsistent, 4u);
  EXPECT_EQ(attribute::recursive, 1u);
  EXPECT_EQ(attribute::fair, 2u);
  EXPECT_EQ(validity::valid, 0x1d0c57a1u);
  EXPECT_EQ(validity::resetting, 0x5e771246u);
  EXPECT_EQ(validity::destroyed, 0xdead10ccu);
}

TEST(Layout, NodesLieBehindThePageBoundaryWhereTheKernelLooks) {
  const Lock lock{};
  const auto* const begin = reinterpret_cast<const char*>(&lock);
  const auto* const boundary = begin + sizeof(SharedLine);
  EXPECT_EQ(reinterpret_cast<const char*>(&lock.shared.word), boundary - 8);
  EXPECT_EQ(reinterpret_cast<const char*>(&lock.shared.baton), boundary - 24);
  for (const Node* const node : {&lock.priv.baton_node, &lock.priv.word_node}) {
    EXPECT_GE(reinterpret_cast<const char*>(&node->prev), boundary);
  }
  EXPECT_EQ(reinterpret_cast<const char*>(&lock.priv.word_node.next) - node_distance,
            reinterpret_cast<const char*>(&lock.shared.word));
  EXPECT_EQ(reinterpret_cast<const char*>(&lock.priv.baton_node.next) - node_distance,
            reinterpret_cast<const char*>(&lock.shared.baton));
}

TEST(Layout, BufferIsHeaderAndLock) {
  EXPECT_EQ(buffer_size, 192u);
  EXPECT_EQ(buffer_alignment, 64u);
}

TEST(Layout, ControlFitsIntoThePrivatePage) {
  EXPECT_LE(sizeof(PrivateLine) + sizeof(FileControl), 4096u);
  Lock lock{};
  EXPECT_EQ(&lock_of(control_of(lock)), &lock);
}

TEST(Layout, IdentitiesComeApartAgain) {
  const uint64_t identity = uint64_t{77} << 32 | 88;
  EXPECT_EQ(identity_pid(identity), 77u);
  EXPECT_EQ(identity_tid(identity), 88u);
  EXPECT_EQ(marker_tid(identity), 77u);
}

}  // namespace
}  // namespace shmutex
