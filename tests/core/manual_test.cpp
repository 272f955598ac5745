// The tables of shmutex.5 say where things lie: held to the code, both ways.
#include <gtest/gtest.h>

#include <cstddef>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include "mutex/layout.h"
#include "object/header.h"

namespace shmutex {
namespace {

struct Place {
  size_t offset;
  size_t size;
  bool operator==(const Place&) const = default;
};
void PrintTo(const Place& place, std::ostream* out) { *out << place.offset << " (" << place.size << " bytes)"; }

using Table = std::map<std::string, Place>;

// The rows below a heading.
Table table_of(const std::string& heading) {
  std::ifstream manual(MANUAL);
  std::string line;
  while (std::getline(manual, line) && line != ".SS " + heading) {
  }
  Table table;
  while (std::getline(manual, line) && line.rfind(".SS", 0) != 0) {
    std::istringstream row(line);
    std::string offset;
    std::string size;
    std::string name;
    if (!std::getline(row, offset, '@') || !std::getline(row, size, '@') || !std::getline(row, name, '@')) continue;
    if (offset.find_first_not_of("0123456789") != std::string::npos) continue;
    table[name] = {std::stoul(offset), std::stoul(size)};
  }
  return table;
}

#define PLACE(type, field)                                 \
  {                                                        \
#field, { offsetof(type, field), sizeof(type::field) } \
  }
#define ADVICE(field)                                                 \
  {                                                                   \
#field, { offsetof(Header, advice.field), sizeof(Advice::field) } \
  }

TEST(Manual, HasTheHeader) {
  const Table code = {PLACE(Header, magic),
                      PLACE(Header, boot_id),
                      PLACE(Header, validity),
                      PLACE(Header, version),
                      PLACE(Header, kind),
                      PLACE(Header, pages),
                      PLACE(Header, must_understand),
                      PLACE(Header, may_ignore),
                      PLACE(Header, attributes),
                      PLACE(Header, unit_size),
                      PLACE(Header, word_offset),
                      PLACE(Header, futex_offset),
                      PLACE(Header, device),
                      PLACE(Header, inode),
                      PLACE(Header, scope_start),
                      PLACE(Header, pid_namespace),
                      PLACE(Header, checksum),
                      ADVICE(label),
                      ADVICE(label_token),
                      ADVICE(waiting_since),
                      ADVICE(waiting_token)};
  EXPECT_EQ(table_of("Header"), code);
  size_t bytes = 0;
  for (const auto& [name, place] : code) bytes += place.size;
  EXPECT_EQ(bytes, sizeof(Header));
}

TEST(Manual, HasTheLineOfAMutex) {
  const Table code = {PLACE(SharedLine, contended),  PLACE(SharedLine, recoveries), PLACE(SharedLine, last_dead_tid),
                      PLACE(SharedLine, last_owner), PLACE(SharedLine, token),      PLACE(SharedLine, yield_until),
                      PLACE(SharedLine, state),      PLACE(SharedLine, baton),      PLACE(SharedLine, depth),
                      PLACE(SharedLine, probed),     PLACE(SharedLine, marks),      PLACE(SharedLine, word)};
  EXPECT_EQ(table_of("Line of a mutex"), code);
  size_t bytes = 0;
  for (const auto& [name, place] : code) bytes += place.size;
  EXPECT_EQ(bytes, sizeof(SharedLine));
}

TEST(Manual, HasThePrivateLine) {
  const Table code = {PLACE(PrivateLine, baton_node),           PLACE(PrivateLine, word_node),
                      PLACE(PrivateLine, depth_and_attributes), PLACE(PrivateLine, linked_by),
                      PLACE(PrivateLine, unlinked_by),          PLACE(PrivateLine, baton_linked)};
  EXPECT_EQ(table_of("Private line"), code);
}

}  // namespace
}  // namespace shmutex
