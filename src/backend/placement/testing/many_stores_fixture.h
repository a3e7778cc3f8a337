// A placement over stores in memory, with objects in it.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "backend/placement/testing/many_stores.h"
#include "backend/placement/upkeep.h"
#include "backend/testing/backend_contract.h"

namespace backstay::backend::placement {

// What every backend must do, asked of a placement of that layout.
class ContractOfMany final : public ContractStore {
 public:
  explicit ContractOfMany(const std::string& layout, std::size_t stores)
      : many_(layout, stores, clock_), backend_(many_.create()) {}
  Backend& backend() override { return *backend_; }
  void reopen() override { backend_ = many_.open().value(); }
  bool turn_clock(std::int64_t seconds) override {
    clock_.turn(seconds);
    return true;
  }

 private:
  TurnedClock clock_;
  ManyStores many_;
  std::unique_ptr<PlacementBackend> backend_;
};

inline ContractParam contract_of(std::string what, const std::string& layout, std::size_t stores) {
  return {.what = std::move(what),
          .make = [=] { return std::make_unique<ContractOfMany>(layout, stores); }};
}

class ManyStoresTest : public ::testing::Test {
 protected:
  void make(const std::string& layout, std::size_t stores) {
    many_ = std::make_unique<ManyStores>(layout, stores, clock_);
    backend_ = many_->create();
  }
  // Objects of both kinds.
  void fill(int count) {
    for (int i = 0; i < count; ++i) {
      for (const std::string& name : {bulk_name(i), fmt::format("snapshots/{:03}", i)}) {
        ASSERT_TRUE(backend_->put(name, as_bytes(name)).has_value()) << name;
        names_.push_back(name);
      }
    }
    ASSERT_TRUE(backend_->barrier().has_value());
    std::ranges::sort(names_);
  }
  static std::string bulk_name(int i) { return fmt::format("data/{:02x}/{:04}", i % 256, i); }
  static std::vector<std::string> list_of(Backend& backend, std::string_view prefix = "") {
    std::vector<std::string> names;
    const Result<void> listed = backend.list(prefix, [&](const ObjectInfo& info) -> Result<void> {
      EXPECT_EQ(info.size_bytes, info.name.size());
      names.push_back(info.name);
      return {};
    });
    if (!listed) return {listed.error().describe()};
    std::ranges::sort(names);
    return names;
  }
  void expect_all(Backend& backend) {
    EXPECT_EQ(list_of(backend), names_);
    for (const std::string& name : names_) {
      const auto bytes = backend.get(name, 1000);
      ASSERT_TRUE(bytes.has_value()) << bytes.error().describe();
      EXPECT_EQ(as_text(*bytes), name);
      Bytes end(3);
      EXPECT_TRUE(backend.get_range(name, name.size() - 3, end).has_value());
      EXPECT_EQ(as_text(end), name.substr(name.size() - 3));
      EXPECT_EQ(backend.head(name)->size_bytes, name.size());
    }
  }
  std::size_t objects_on(std::size_t store, std::string_view prefix) {
    std::size_t count = 0;
    for (const auto& [name, bytes] : (*many_)[store].memory.objects())
      count += name.starts_with(prefix) ? 1U : 0U;
    return count;
  }

  // Without the notes that each barrier adds, and of maps that were decided.
  static MemoryBackend::Objects without_progress(MemoryBackend::Objects objects) {
    std::erase_if(objects, [](const auto& one) {
      return std::ranges::any_of(
          std::array{"placement/count-", "placement/seen-", "placement/decided-"},
          [&](std::string_view start) { return one.first.starts_with(start); });
    });
    return objects;
  }

  TurnedClock clock_;
  std::unique_ptr<ManyStores> many_;
  std::unique_ptr<PlacementBackend> backend_;
  std::vector<std::string> names_;
};

inline ErrorCode code_of(const auto& result) {
  return result.has_value() ? ErrorCode::kInternal : result.error().code();
}

class ChangingStores : public ManyStoresTest {
 protected:
  void add(std::size_t i) {
    many_->set_file("copies: 2\nstores:\n" + lines(i + 1));
    const auto opened = many_->opener()(ManyStores::name_of(i)).value();
    const MapStore joining =
        prepare_store(*backend_, *many_->file().find(ManyStores::name_of(i)), *opened).value();
    const auto changed = change_map(*backend_, [&](Map& map) -> Result<void> {
      map.stores.push_back(joining);
      return {};
    });
    ASSERT_TRUE(changed.has_value()) << changed.error().describe();
  }
  void take_out(std::size_t i) {
    const auto changed = change_map(*backend_, [&](Map& map) -> Result<void> {
      map.stores[i].membership = Membership::kLeaving;
      return {};
    });
    ASSERT_TRUE(changed.has_value()) << changed.error().describe();
  }
  static std::string lines(std::size_t count) {
    std::string text;
    for (std::size_t i = 0; i < count; ++i) text += ManyStores::line_of(i);
    return text;
  }
};

}  // namespace backstay::backend::placement
