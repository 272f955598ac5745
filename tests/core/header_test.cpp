// judge(): what a header says about the lock behind it, and in which order it is asked.
#include "object/header.h"

#include <gtest/gtest.h>
#include <string.h>

namespace shmutex {
namespace {

constexpr uint32_t page = 4096;

TidScope world(uint8_t boot, uint64_t pid_namespace) {
  TidScope out{};
  memset(out.boot_id, boot, sizeof out.boot_id);
  out.pid_namespace = pid_namespace;
  return out;
}

Header complete(const TidScope& in, uint32_t size = page, uint32_t word_offset = page - 8, int32_t futex_offset = -32) {
  Header header = make_header(Placement::file, in, size, word_offset, futex_offset, 0);
  header.validity = validity::valid;
  return header;
}

class Judge : public testing::Test {
 protected:
  HeaderStatus verdict(const Header& header, uint64_t size = page) const {
    return judge(header, Placement::file, size, ours_);
  }

  const TidScope here_ = world(1, 2);
  const TidScope other_boot_ = world(9, 2);
  const TidScope other_namespace_ = world(1, 9);
  const Header ours_ = complete(here_);
};

TEST_F(Judge, OursIsUsable) { EXPECT_EQ(verdict(ours_), HeaderStatus::usable); }

TEST_F(Judge, AttributesAreNobodysBusinessHere) {
  Header header = make_header(Placement::file, here_, page, page - 8, -32, 3);
  header.validity = validity::valid;
  EXPECT_EQ(verdict(header), HeaderStatus::usable);
}

TEST_F(Judge, ZeroesAreForeign) { EXPECT_EQ(verdict(Header{}), HeaderStatus::foreign); }

TEST_F(Judge, EveryWrongByteIsForeignOrOfAnotherVersion) {
  for (size_t i = 0; i < sizeof(Header); ++i) {
    Header header = ours_;
    reinterpret_cast<unsigned char*>(&header)[i] ^= 0x10;
    const bool version = i >= offsetof(Header, version) && i < offsetof(Header, version) + 4;
    EXPECT_EQ(verdict(header), version ? HeaderStatus::other_format : HeaderStatus::foreign) << i;
  }
}

TEST_F(Judge, SizeThatIsNoPageIsForeign) {
  for (const uint64_t size :
       {uint64_t{0}, uint64_t{64}, uint64_t{4095}, uint64_t{4097}, uint64_t{131072}, UINT64_MAX}) {
    EXPECT_EQ(verdict(ours_, size), HeaderStatus::foreign) << size;
  }
}

TEST_F(Judge, SizeThatIsNotTheHeadersIsForeign) { EXPECT_EQ(verdict(ours_, 2 * page), HeaderStatus::foreign); }

TEST_F(Judge, OtherWorldsAreStale) {
  EXPECT_EQ(verdict(complete(other_boot_)), HeaderStatus::stale);
  EXPECT_EQ(verdict(complete(other_namespace_)), HeaderStatus::stale);
}

TEST_F(Judge, OtherShapesAreOfAnotherFormat) {
  EXPECT_EQ(verdict(complete(here_, 2 * page, 2 * page - 8), 2 * page), HeaderStatus::other_format);
  EXPECT_EQ(verdict(complete(here_, page, page - 16)), HeaderStatus::other_format);
  EXPECT_EQ(verdict(complete(here_, page, page - 8, -28)), HeaderStatus::other_format);
}

TEST_F(Judge, OtherByteOrderIsOfAnotherFormat) {
  Header header = ours_;
  header.magic = __builtin_bswap64(header.magic);
  EXPECT_EQ(verdict(header), HeaderStatus::other_format);
}

TEST_F(Judge, StaleGoesBeforeOtherFormats) {
  EXPECT_EQ(verdict(complete(other_boot_, 2 * page, 2 * page - 8, -28), 2 * page), HeaderStatus::stale);
  Header header = complete(other_boot_);
  header.version = format_version + 1;
  header.checksum = 0;
  EXPECT_EQ(verdict(header), HeaderStatus::stale);
}

TEST_F(Judge, AnotherVersionsPidNamespaceIsNotBelieved) {
  Header header = complete(other_namespace_);
  header.version = format_version + 1;
  EXPECT_EQ(verdict(header), HeaderStatus::other_format);
}

TEST_F(Judge, ResettingIsHalfResetWhateverElseItSays) {
  Header header = ours_;
  header.validity = validity::resetting;
  EXPECT_EQ(verdict(header), HeaderStatus::half_reset);
  header.checksum = 0;
  header.version = 99;
  EXPECT_EQ(verdict(header), HeaderStatus::half_reset);
}

TEST_F(Judge, IncompleteAndDestroyedAreForeign) {
  for (const uint32_t value : {validity::unset, validity::destroyed, 1u, UINT32_MAX}) {
    Header header = ours_;
    header.validity = value;
    EXPECT_EQ(verdict(header), HeaderStatus::foreign);
  }
}

TEST_F(Judge, FilesAndBuffersAreNotEachOther) {
  EXPECT_EQ(judge(ours_, Placement::buffer, page, ours_), HeaderStatus::foreign);
  Header buffer = make_header(Placement::buffer, here_, 192, 120, -32, 0);
  buffer.validity = validity::valid;
  EXPECT_EQ(judge(buffer, Placement::buffer, 192, buffer), HeaderStatus::usable);
  EXPECT_EQ(judge(buffer, Placement::file, page, ours_), HeaderStatus::foreign);
}

TEST(MakeHeader, LeavesValidityToTheCaller) {
  EXPECT_EQ(make_header(Placement::file, TidScope{}, page, page - 8, -32, 0).validity, validity::unset);
}

TEST(MakeHeader, MagicIsReadable) {
  EXPECT_EQ(memcmp(&file_magic, "shmutex\n", 8), 0);
  EXPECT_EQ(memcmp(&buffer_magic, "shmutbu\n", 8), 0);
}

TEST(Worlds, AreComparedWhole) {
  const TidScope a = world(1, 2);
  EXPECT_TRUE(same_tid_scope(a, world(1, 2)));
  EXPECT_TRUE(same_boot(a, world(1, 3)));
  EXPECT_FALSE(same_tid_scope(a, world(1, 3)));
  EXPECT_FALSE(same_boot(a, world(2, 2)));
  for (size_t i = 0; i < sizeof a.boot_id; ++i) {
    TidScope b = a;
    b.boot_id[i] = 0;
    EXPECT_FALSE(same_boot(a, b)) << i;
  }
}

}  // namespace
}  // namespace shmutex
