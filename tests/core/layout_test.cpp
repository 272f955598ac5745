// Where things lie in memory, for the kernel and for other processes; in files, see layout_format_one.cpp.
#include "mutex/layout.h"

#include <gtest/gtest.h>

#include "object/header.h"
#include "object/memory.h"
#include "os/thread.h"

namespace shmutex {
namespace {

TEST(Layout, NodesLieBehindThePageBoundaryWhereTheKernelLooks) {
  const Lock lock{};
  const auto* const begin = reinterpret_cast<const char*>(&lock);
  const auto* const boundary = begin + sizeof(SharedLine);
  EXPECT_EQ(reinterpret_cast<const char*>(&lock.shared.word), boundary - 4);
  EXPECT_EQ(reinterpret_cast<const char*>(&lock.shared.baton), boundary - 20);
  for (const Node* const node : {&lock.priv.baton_node, &lock.priv.word_node}) {
    EXPECT_GE(reinterpret_cast<const char*>(&node->prev), boundary);
  }
  EXPECT_EQ(reinterpret_cast<const char*>(&lock.priv.word_node.next) - node_distance,
            reinterpret_cast<const char*>(&lock.shared.word));
  EXPECT_EQ(reinterpret_cast<const char*>(&lock.priv.baton_node.next) - node_distance,
            reinterpret_cast<const char*>(&lock.shared.baton));
}

TEST(Layout, BufferIsHeaderAndLock) {
  EXPECT_EQ(sizeof(Header) + sizeof(Lock), 256u);
  EXPECT_EQ(memory_alignment, 64u);
}

TEST(Layout, ControlFitsIntoThePrivatePage) {
  EXPECT_LE(sizeof(PrivateLine) + sizeof(FileControl), 4096u);
  Lock lock{};
  EXPECT_EQ(&object_of(control_of(lock)), &lock);
}

TEST(Layout, IdentitiesComeApartAgain) {
  const uint64_t identity = uint64_t{77} << 32 | 88;
  EXPECT_EQ(owner_id_pid(identity), 77u);
  EXPECT_EQ(owner_id_tid(identity), 88u);
  EXPECT_EQ(thread_uid_tid(identity), 77u);
}

}  // namespace
}  // namespace shmutex
