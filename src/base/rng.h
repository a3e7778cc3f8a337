// Random bytes, behind an interface so that tests can repeat them.
#pragma once

#include "base/bytes.h"

namespace backstay {

// Thread-safe. crypto/random.h has the implementation for real use.
class Rng {
 public:
  virtual ~Rng() = default;
  virtual void fill(MutableByteView out) = 0;

  [[nodiscard]] std::uint64_t next_u64() {
    std::uint8_t raw[8];
    fill(raw);
    return load_le<std::uint64_t>(raw);
  }
  // Uniform enough below `bound` for scheduling and padding (the bias is below bound / 2^64).
  [[nodiscard]] std::uint64_t below(std::uint64_t bound) { return next_u64() % bound; }
};

// Repeats the same bytes for the same seed (splitmix64). For tests and simulations only.
class SeededRng final : public Rng {
 public:
  explicit SeededRng(std::uint64_t seed) : state_(seed) {}
  void fill(MutableByteView out) override;

 private:
  std::uint64_t state_;
};

}  // namespace backstay
