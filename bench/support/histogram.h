// Counts of durations in 16 buckets to the octave: percentiles within 3 %, in fixed memory that processes can share.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace bench {

class Histogram {
 public:
  void add(int64_t ns) { ++counts_[index(ns < 0 ? 0 : static_cast<uint64_t>(ns))]; }

  void merge(const Histogram& other) {
    for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
  }

  // The middle of the bucket in which the fraction q of all values is reached; 0 if there are none.
  double quantile(double q) const {
    uint64_t total = 0;
    for (const uint64_t count : counts_) total += count;
    const auto target = static_cast<uint64_t>(q * static_cast<double>(total));
    uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen > target) return (lower_bound(i) + lower_bound(i + 1)) / 2;
    }
    return 0;
  }

 private:
  static constexpr unsigned steps = 16;

  static std::size_t index(uint64_t value) {
    if (value < steps) return value;
    const auto octave = static_cast<unsigned>(std::bit_width(value)) - 5;
    return octave * steps + (value >> octave);
  }

  static double lower_bound(std::size_t index) {
    if (index < 2 * steps) return static_cast<double>(index);
    const std::size_t octave = index / steps - 1;
    return static_cast<double>((index % steps + steps) << octave);
  }

  std::array<uint64_t, 960> counts_{};
};

}  // namespace bench
