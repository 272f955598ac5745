#include "scenario.h"

namespace crash {
namespace {

const char* name(Operation operation) {
  switch (operation) {
    case Operation::lock: return "lock";
    case Operation::trylock: return "trylock";
    case Operation::timedlock: return "timedlock";
    case Operation::time_out: return "time_out";
    case Operation::unlock: return "unlock";
    case Operation::consistent: return "consistent";
    case Operation::poison: return "poison";
    case Operation::open: return "open";
    case Operation::close: return "close";
    case Operation::remove: return "remove";
    case Operation::initialise: return "initialise";
  }
  return "";
}

const char* name(Start start) {
  switch (start) {
    case Start::nowhere:
    case Start::opened: return "";
    case Start::inside: return "_inside";
    case Start::inside_twice: return "_inside_twice";
  }
  return "";
}

const char* name(Ground ground) {
  switch (ground) {
    case Ground::fresh: return "";
    case Ground::existing: return "_existing";
    case Ground::stale: return "_stale";
    case Ground::owner_died: return "_owner_died";
  }
  return "";
}

}  // namespace

std::string name_of(const Scenario& s) {
  std::string out =
      (s.glibc ? "glibc" : support::name_of(s.kind)) + "_" + name(s.operation) + name(s.start) + name(s.ground);
  if (s.ahead != 0) out += "_ahead" + std::to_string(s.ahead);
  if (s.ahead_dies) out += "_dies";
  if (s.behind != 0) out += "_behind" + std::to_string(s.behind);
  if (s.barger) out += "_barger";
  if (s.others) out += "_others";
  if (s.spins) out += "_spins";
  return out;
}

}  // namespace crash
