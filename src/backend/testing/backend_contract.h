// What every backend must do, as one suite of tests. A backend's own test names itself:
//   INSTANTIATE_TEST_SUITE_P(Memory, BackendContract, ::testing::Values(ContractParam{...}));
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <ostream>
#include <string>

#include "backend/backend.h"

namespace backstay::backend {

// An empty store, and whatever must live as long as it.
class ContractStore {
 public:
  virtual ~ContractStore() = default;
  virtual Backend& backend() = 0;
  // As another process sees the store that is there; what cannot be opened again stays as it is.
  virtual void reopen() {}
  // Moves the store's clock by so many seconds; false where a test has no hold of it.
  virtual bool turn_clock(std::int64_t /*seconds*/) { return false; }
  // False of a store that lets the second of two creators overwrite what the first one made.
  [[nodiscard]] virtual bool creates_once() const { return true; }
};

// The world's time, moved by hand.
class TurnedClock final : public Clock {
 public:
  [[nodiscard]] Timestamp now() const override;
  [[nodiscard]] std::chrono::steady_clock::time_point monotonic() const override {
    return clock_.monotonic();
  }
  void turn(std::int64_t seconds) { offset_seconds_ += seconds; }

 private:
  SystemClock clock_;
  std::atomic<std::int64_t> offset_seconds_ = 0;
};

// Time that passes only while somebody sleeps.
class SleptTime final : public Clock {
 public:
  [[nodiscard]] Timestamp now() const override { return {1000, 0}; }
  [[nodiscard]] std::chrono::steady_clock::time_point monotonic() const override {
    return std::chrono::steady_clock::time_point(slept);
  }
  std::chrono::nanoseconds slept{0};
};

struct ContractParam {
  std::string what;
  std::function<std::unique_ptr<ContractStore>()> make;
};
inline std::ostream& operator<<(std::ostream& out, const ContractParam& param) {
  return out << param.what;
}

// A backend whose objects are in this process, under a clock that is turned by hand.
class StoreInMemory final : public ContractStore {
 public:
  explicit StoreInMemory(const std::function<std::unique_ptr<Backend>(const Clock&)>& make)
      : backend_(make(clock_)) {}
  Backend& backend() override { return *backend_; }
  bool turn_clock(std::int64_t seconds) override {
    clock_.turn(seconds);
    return true;
  }

 private:
  TurnedClock clock_;
  const std::unique_ptr<Backend> backend_;
};
[[nodiscard]] inline ContractParam contract_in_memory(
    std::string what, std::function<std::unique_ptr<Backend>(const Clock&)> make) {
  return {.what = std::move(what),
          .make = [make = std::move(make)] { return std::make_unique<StoreInMemory>(make); }};
}

// The code of what should have failed.
template <typename T>
ErrorCode code_of(const Result<T>& result) {
  EXPECT_FALSE(result.has_value()) << "it should have failed";
  return result.has_value() ? ErrorCode::kInternal : result.error().code();
}

class BackendContract : public ::testing::TestWithParam<ContractParam> {
 protected:
  BackendContract() : store_(GetParam().make()) {}
  // A store that is not installed here is none.
  void SetUp() override {
    if (store_ == nullptr) GTEST_SKIP() << GetParam().what << " is not installed";
  }
  [[nodiscard]] Backend& backend() { return store_->backend(); }
  [[nodiscard]] ContractStore& store() { return *store_; }

  [[nodiscard]] Result<void> put(std::string_view name, std::string_view text) {
    return backend().put(name, as_bytes(text));
  }
  // The object's text, or what went wrong.
  [[nodiscard]] std::string text_of(std::string_view name);
  // Names below `prefix`, sorted.
  [[nodiscard]] std::vector<std::string> names_below(std::string_view prefix);

 private:
  std::unique_ptr<ContractStore> store_;
};

}  // namespace backstay::backend
