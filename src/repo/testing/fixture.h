// A repository in memory with small chunks and packs, and what else the tests of repo/ and engine/
// share. For tests only.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backend/fault_backend.h"
#include "backend/memory_backend.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/rng.h"
#include "repo/repository.h"
#include "repo/store_session.h"

namespace backstay::repo {

// Stands still unless it is told to go on.
class ManualClock final : public Clock {
 public:
  [[nodiscard]] Timestamp now() const override { return {.seconds = seconds_, .nanos = 0}; }
  [[nodiscard]] std::chrono::steady_clock::time_point monotonic() const override {
    return std::chrono::steady_clock::time_point(std::chrono::seconds(seconds_));
  }
  void advance(std::chrono::seconds by) { seconds_ += by.count(); }

 private:
  std::atomic<std::int64_t> seconds_{1'700'000'000};
};

// The seeded sequence for several threads.
class SharedRng final : public Rng {
 public:
  explicit SharedRng(std::uint64_t seed) : rng_(seed) {}
  void fill(MutableByteView out) override EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    rng_.fill(out);
  }

 private:
  Mutex mutex_;
  SeededRng rng_ GUARDED_BY(mutex_);
};

// Bytes that do not repeat and do not compress.
[[nodiscard]] Bytes noise(std::size_t size, std::uint64_t seed);

// "" or what went wrong: EXPECT_EQ(problem(result), "") shows it.
template <typename T>
[[nodiscard]] std::string problem(const Result<T>& result) {
  return result ? std::string() : result.error().describe();
}
template <typename T>
[[nodiscard]] std::string_view code_of(const Result<T>& result) {
  return result ? std::string_view("no failure") : to_string(result.error().code());
}

// Calls `each` with every copy of `whole` that has one byte changed (all bits, and the lowest one),
// and with every proper prefix of it.
void for_each_flip(ByteView whole,
                   const std::function<void(const Bytes& damaged, std::size_t at)>& each);
void for_each_prefix(ByteView whole, const std::function<void(ByteView prefix)>& each);

// Chunks of 1 to 16 KiB, frames of 8 KiB, packs of 64 KiB.
[[nodiscard]] Config small_config(Rng& rng);
// The cheapest key derivation that the format allows.
inline constexpr crypto::Argon2Parameters kCheapArgon2{.memory_kib = 8, .passes = 1};
[[nodiscard]] Credential test_credential();

// Writes the config and a key slot, as Repository::init does, with any config.
Result<void> make_repository(backend::Backend& store, const Config& config,
                             const Credential& credential, Rng& rng);

class RepositoryFixture : public ::testing::Test {
 protected:
  RepositoryFixture();

  // An encrypted repository with small_config() in memory_.
  void make();
  // Opens it by way of faults_. For every opened repository a new set of caches.
  Result<std::unique_ptr<Repository>> try_open(const OpenOptions& options = {});
  std::unique_ptr<Repository> open(const OpenOptions& options = {});  // and loads the index
  std::unique_ptr<Repository> open_past_faults();

  [[nodiscard]] std::vector<std::string> names(std::string_view prefix) const;
  [[nodiscard]] std::string only_name(std::string_view prefix) const;
  // Changes what is stored behind everybody's back.
  void replace(const std::string& name, const std::function<void(Bytes&)>& change);
  void remove(const std::string& name);

  // Stores the plaintexts as chunks, one a frame, and returns their names.
  static std::vector<chunk::ChunkRef> store(Repository& repository, StoreSession& session,
                                            const std::vector<Bytes>& plaintexts);
  static chunk::ChunkRef ref_of(const Repository& repository, ByteView plaintext);

  ManualClock clock_;
  SharedRng rng_{7};
  backend::MemoryBackend memory_{clock_};
  backend::FaultBackend faults_{memory_};
  World::Threads threads_ = World::Threads::kSeveral;  // of what is opened from here on
};

}  // namespace backstay::repo
