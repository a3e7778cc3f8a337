// What files are called while a restore works on them.
//
// Two kinds, because they are worth differently. A new file that is not whole yet can be made again
// from the repository, so what a killed restore left of it may go. A file that stood there before
// and is changed itself, for lack of room beside it, exists nowhere else: it is never removed, and
// its temporary name says what it was called.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/rng.h"

namespace backstay::engine::restoring {

struct TemporaryName {
  enum class Kind : std::uint8_t { kNew, kMovedAside };
  Kind kind = Kind::kNew;
  std::uint64_t run = 0;
  std::string original;  // kMovedAside: empty when it was too long to be told
};

// Nothing for every name that is not exactly of the form that TemporaryNames gives.
[[nodiscard]] std::optional<TemporaryName> parse_temporary_name(std::string_view name);

// Told apart from everything else in a folder by a number that nobody can guess, and nothing of the
// snapshot is ever written to an existing one. Thread-safe.
class TemporaryNames {
 public:
  explicit TemporaryNames(Rng& rng) : run_(rng.next_u64()) {}
  // For a new file.
  [[nodiscard]] std::string next();
  // For the file `name`, which is moved aside.
  [[nodiscard]] std::string next_for(std::string_view name);
  [[nodiscard]] bool is_own(const TemporaryName& name) const { return name.run == run_; }

 private:
  [[nodiscard]] std::string start();

  std::uint64_t run_;
  std::atomic<std::uint64_t> next_{0};
};

}  // namespace backstay::engine::restoring
