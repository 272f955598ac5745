// judge(): what a header says about the object behind it, and in which order it is asked.
#include "object/header.h"

#include <gtest/gtest.h>
#include <string.h>

namespace shmutex {
namespace {

constexpr uint32_t page = 4096;
constexpr Understood understood{kind_number::mutex, 1, 0x1, 0x3};

TidScope scope(uint8_t boot, uint64_t pid_namespace, uint64_t start = 0) {
  TidScope out{};
  memset(out.boot_id, boot, sizeof out.boot_id);
  out.pid_namespace = pid_namespace;
  out.start = start;
  return out;
}

Identity identity(uint32_t size = page, int distance_from_end = 4, int16_t futex_offset = -32) {
  return {.kind = kind_number::mutex,
          .pages = 1,
          .must_understand = 0,
          .may_ignore = 0,
          .attributes = 0,
          .unit_size = size,
          .word_offset = static_cast<uint16_t>(static_cast<int>(size) - distance_from_end),
          .futex_offset = futex_offset,
          .device = 5,
          .inode = 6};
}

Header complete(const TidScope& in, const Identity& what = identity(), Placement placement = Placement::file) {
  Header header = make_header(placement, in, what);
  header.validity = validity::valid;
  return header;
}

class Judge : public testing::Test {
 protected:
  HeaderStatus verdict(const Header& header, uint64_t size = page, const Understood* known = &understood) const {
    return judge(header, Placement::file, size, ours_, known);
  }

  // After `edit`, and with the checksum right.
  template <class Edit>
  Header edited(const Edit& edit, const TidScope& in) const {
    Header header = complete(in);
    edit(header);
    seal(header);
    return header;
  }

  // Demands are the first question, also of a stale object, of one that is being reset, and of another version's.
  template <class Edit>
  void expect_demand(HeaderStatus status, const Edit& edit, const Understood* known = &understood) const {
    for (const TidScope& in : {here_, other_boot_, other_namespace_}) {
      Header header = edited(edit, in);
      EXPECT_EQ(verdict(header, page, known), status);
      EXPECT_EQ(verdict(header, 7 * page, known), status);
      header.validity = validity::resetting;
      EXPECT_EQ(verdict(header, page, known), status);
      header.version = format_version + 1;
      EXPECT_EQ(verdict(header, page, known), status);
      header.validity = validity::valid;
      EXPECT_EQ(verdict(header, page, known), status);
    }
  }

  const TidScope here_ = scope(1, 2, 3);
  const TidScope other_boot_ = scope(9, 2, 3);
  const TidScope other_namespace_ = scope(1, 9, 3);
  const TidScope later_namespace_ = scope(1, 2, 5);
  const Header ours_ = complete(here_);
};

TEST_F(Judge, OursIsUsable) { EXPECT_EQ(verdict(ours_), HeaderStatus::usable); }

TEST_F(Judge, WhatIsUnderstoodIsUsable) {
  EXPECT_EQ(verdict(edited([](Header& header) { header.attributes = 3; }, here_)), HeaderStatus::usable);
  EXPECT_EQ(verdict(edited([](Header& header) { header.must_understand = 1; }, here_)), HeaderStatus::usable);
  EXPECT_EQ(verdict(edited([](Header& header) { header.may_ignore = UINT32_MAX; }, here_)), HeaderStatus::usable);
}

TEST_F(Judge, UnknownAttributesAreRefused) {
  for (uint32_t bit = 4; bit != 0; bit <<= 1) {
    expect_demand(HeaderStatus::unknown_attributes, [bit](Header& header) { header.attributes = bit | 1; });
  }
}

TEST_F(Judge, UnknownFeaturesAreRefused) {
  for (uint32_t bit = 2; bit != 0; bit <<= 1) {
    expect_demand(HeaderStatus::unknown_features, [bit](Header& header) { header.must_understand = bit | 1; });
  }
}

TEST_F(Judge, UnknownKindsAreRefused) {
  expect_demand(
      HeaderStatus::unknown_kind, [](Header& header) { header.kind = 77; }, nullptr);
}

TEST_F(Judge, OtherKindsAreNotTakenOver) {
  constexpr Understood event{kind_number::event, 1, 0, 0};
  for (const TidScope& in : {here_, other_boot_}) {
    const Header header = edited([](Header& found) { found.kind = kind_number::event; }, in);
    EXPECT_EQ(verdict(header, page, &event), HeaderStatus::other_kind);
  }
}

TEST_F(Judge, OtherNumbersOfPagesAreForeign) {
  EXPECT_EQ(verdict(edited([](Header& header) { header.pages = 2; }, here_), 2 * page), HeaderStatus::foreign);
  EXPECT_EQ(verdict(edited([](Header& header) { header.pages = 0; }, here_)), HeaderStatus::foreign);
}

TEST_F(Judge, SeveralPagesOfAnotherSizeAreNotReset) {
  constexpr Understood three{kind_number::mutex, 3, 0, 0};
  const auto make = [](Header& header) {
    header.pages = 3;
    header.unit_size = 8192;
  };
  EXPECT_EQ(verdict(edited(make, other_boot_), 3 * 8192, &three), HeaderStatus::other_format);
  const auto same = [](Header& header) { header.pages = 3; };
  EXPECT_EQ(verdict(edited(same, other_boot_), 3 * page, &three), HeaderStatus::stale);
  EXPECT_EQ(verdict(edited(same, here_), 3 * page, &three), HeaderStatus::usable);
  EXPECT_EQ(verdict(edited(same, here_), page, &three), HeaderStatus::foreign);
}

TEST_F(Judge, ZeroesAreForeign) { EXPECT_EQ(verdict(Header{}), HeaderStatus::foreign); }

TEST_F(Judge, EveryWrongByteIsForeignOrOfAnotherVersion) {
  for (size_t i = 0; i < offsetof(Header, advice); ++i) {
    Header header = ours_;
    reinterpret_cast<unsigned char*>(&header)[i] ^= 0x10;
    const bool version = i >= offsetof(Header, version) && i < offsetof(Header, version) + 4;
    EXPECT_EQ(verdict(header), version ? HeaderStatus::other_format : HeaderStatus::foreign) << i;
  }
}

TEST_F(Judge, AdviceMayBeAnything) {
  Header header = ours_;
  memset(&header.advice, 0xff, sizeof header.advice);
  EXPECT_EQ(verdict(header), HeaderStatus::usable);
}

TEST_F(Judge, SizeThatIsNoPageIsForeign) {
  for (const uint64_t size :
       {uint64_t{0}, uint64_t{64}, uint64_t{4095}, uint64_t{4097}, uint64_t{131072}, UINT64_MAX}) {
    EXPECT_EQ(verdict(ours_, size), HeaderStatus::foreign) << size;
  }
}

TEST_F(Judge, SizeThatIsNotTheHeadersIsForeign) { EXPECT_EQ(verdict(ours_, 2 * page), HeaderStatus::foreign); }

TEST_F(Judge, OtherScopesAreStale) {
  EXPECT_EQ(verdict(complete(other_boot_)), HeaderStatus::stale);
  EXPECT_EQ(verdict(complete(other_namespace_)), HeaderStatus::stale);
  EXPECT_EQ(verdict(complete(later_namespace_)), HeaderStatus::stale);
}

TEST_F(Judge, OtherShapesAreOfAnotherFormat) {
  EXPECT_EQ(verdict(complete(here_, identity(2 * page)), 2 * page), HeaderStatus::other_format);
  EXPECT_EQ(verdict(complete(here_, identity(page, 16))), HeaderStatus::other_format);
}

TEST_F(Judge, NodesOfAnotherLibcMatterOnlyWhereTheyAreShared) {
  EXPECT_EQ(verdict(complete(here_, identity(page, 4, -28))), HeaderStatus::usable);
  const Header ours = complete(here_, identity(256, 68), Placement::buffer);
  const Header theirs = complete(here_, identity(256, 68, -28), Placement::buffer);
  EXPECT_EQ(judge(theirs, Placement::buffer, 256, ours, &understood), HeaderStatus::other_format);
}

TEST_F(Judge, OtherByteOrderIsOfAnotherFormat) {
  Header header = ours_;
  header.magic = __builtin_bswap64(header.magic);
  EXPECT_EQ(verdict(header), HeaderStatus::other_format);
}

TEST_F(Judge, StaleGoesBeforeOtherFormats) {
  EXPECT_EQ(verdict(complete(other_boot_, identity(2 * page, 8, -28)), 2 * page), HeaderStatus::stale);
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
  EXPECT_EQ(verdict(header), HeaderStatus::half_reset);
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
  EXPECT_EQ(judge(ours_, Placement::buffer, page, ours_, &understood), HeaderStatus::foreign);
  const Header buffer = complete(here_, identity(256, 68), Placement::buffer);
  EXPECT_EQ(judge(buffer, Placement::buffer, 256, buffer, &understood), HeaderStatus::usable);
  EXPECT_EQ(judge(buffer, Placement::file, page, ours_, &understood), HeaderStatus::foreign);
}

TEST(MakeHeader, LeavesValidityToTheCaller) {
  EXPECT_EQ(make_header(Placement::file, TidScope{}, identity()).validity, validity::unset);
}

TEST(MakeHeader, MagicIsReadable) {
  EXPECT_EQ(memcmp(&file_magic, "shmutex\n", 8), 0);
  EXPECT_EQ(memcmp(&buffer_magic, "shmutbu\n", 8), 0);
}

TEST(Scopes, AreComparedWhole) {
  const TidScope a = scope(1, 2, 3);
  EXPECT_TRUE(same_tid_scope(a, scope(1, 2, 3)));
  EXPECT_TRUE(same_boot(a, scope(1, 3)));
  EXPECT_FALSE(same_tid_scope(a, scope(1, 3, 3)));
  EXPECT_FALSE(same_tid_scope(a, scope(1, 2, 5)));
  EXPECT_FALSE(same_boot(a, scope(2, 2)));
  for (size_t i = 0; i < sizeof a.boot_id; ++i) {
    TidScope b = a;
    b.boot_id[i] = 0;
    EXPECT_FALSE(same_boot(a, b)) << i;
  }
}

TEST(Scopes, WhoseStartIsNotKnownAreComparedByNumber) {
  EXPECT_TRUE(same_tid_scope(scope(1, 2, 0), scope(1, 2, 3)));
  EXPECT_TRUE(same_tid_scope(scope(1, 2, 4), scope(1, 2, 3))) << "numbers of two kinds";
  EXPECT_TRUE(same_tid_scope(scope(1, 2, 3), scope(1, 2, 0)));
}

}  // namespace
}  // namespace shmutex
