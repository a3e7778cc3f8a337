// Packs of random bytes in memory, and parity over them. No repository is needed: parity knows no
// more of a pack than its bytes and its name. For tests only.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "engine/parity.h"
#include "engine/testing/backup_fixture.h"
#include "repo/damage_mark.h"
#include "repo/parity_object.h"

namespace backstay::engine {

class ParityFixture : public repo::RepositoryFixture {
 protected:
  using Objects = backend::MemoryBackend::Objects;

  void SetUp() override {
    const repo::Config config = repo::small_config(rng_);
    id_ = config.id;
    ASSERT_EQ(problem(memory_.put("config", repo::encode_config(config))), "");
  }

  [[nodiscard]] ParityPlace place() {
    return {.store = faults_,
            .repository = id_,
            .world = {.clock = clock_, .rng = rng_, .threads = repo::World::Threads::kCallersOnly}};
  }
  static ParityOptions options() {
    ParityOptions options;
    options.author = {.host = "host", .user = "user"};
    options.block_bytes = 4096;
    return options;
  }

  repo::ObjectId plant_pack(std::size_t size, repo::PackKind kind = repo::PackKind::kData) {
    const Bytes bytes = noise(size, seed_++);
    const repo::ObjectId id = repo::id_of(bytes);
    EXPECT_EQ(problem(memory_.put(name_of(id, kind), bytes)), "");
    return id;
  }
  std::vector<repo::ObjectId> plant_packs(std::size_t count, std::size_t size_max = 40'000) {
    std::vector<repo::ObjectId> ids;
    for (std::size_t i = 0; i < count; ++i)
      ids.push_back(plant_pack(1 + static_cast<std::size_t>(rng_.below(size_max))));
    return ids;
  }
  static std::string name_of(const repo::ObjectId& id,
                             repo::PackKind kind = repo::PackKind::kData) {
    return repo::object_name(repo::object_kind(kind), id);
  }
  std::vector<std::string> parity_names() const {
    std::vector<std::string> found = names("parity/");
    std::erase_if(found, [](const std::string& name) { return name.contains("wish"); });
    return found;
  }
  Objects packs() const {
    Objects objects = memory_.objects();
    std::erase_if(objects, [](const auto& one) { return !one.first.starts_with("data/"); });
    return objects;
  }
  void flip(const std::string& name, std::size_t at) {
    replace(name, [&](Bytes& bytes) { bytes[at] ^= 0x40; });
  }

  Result<ParityReport> try_add(std::uint32_t hundredths = 5000, unsigned shards = 2) {
    Watch watch;
    Activity activity = watch.activity();
    const auto wish = plan_parity(hundredths, shards);
    if (!wish) return std::unexpected(wish.error().clone());
    return add_parity(place(), *wish, options(), activity);
  }
  ParityReport add(std::uint32_t hundredths = 5000, unsigned shards = 2) {
    auto report = try_add(hundredths, shards);
    EXPECT_EQ(problem(report), "");
    return report ? *report : ParityReport{};
  }
  Result<ParityReport> try_keep() {
    Watch watch;
    Activity activity = watch.activity();
    return keep_parity(place(), options(), activity);
  }
  ParityReport keep() {
    auto report = try_keep();
    EXPECT_EQ(problem(report), "");
    return report ? *report : ParityReport{};
  }
  ParityStatus status() {
    Watch watch;
    Activity activity = watch.activity();
    auto status = parity_status(place(), activity);
    EXPECT_EQ(problem(status), "");
    return status ? std::move(*status) : ParityStatus{};
  }
  Result<ParityRepairReport> try_repair(bool read_data = true,
                                        RepairMode mode = RepairMode::kRepair) {
    Watch watch;
    Activity activity = watch.activity();
    ParityRepairOptions how;
    how.mode = mode;
    how.read_data = read_data;
    how.parity = options();
    return repair_with_parity(place(), how, activity);
  }
  ParityRepairReport repair(bool read_data = true, RepairMode mode = RepairMode::kRepair) {
    auto report = try_repair(read_data, mode);
    EXPECT_EQ(problem(report), "");
    return report ? std::move(*report) : ParityRepairReport{};
  }
  static std::uint64_t count(const ParityRepairReport& report, ParityOutcome outcome) {
    return static_cast<std::uint64_t>(
        std::ranges::count(report.objects, outcome, &ParityRepaired::outcome));
  }
  std::unordered_set<repo::ObjectId> take_out(const std::vector<repo::ObjectId>& packs) {
    Watch watch;
    Activity activity = watch.activity();
    auto needed = take_out_of_parity(place(), {packs.begin(), packs.end()}, activity);
    EXPECT_EQ(problem(needed), "");
    return needed ? std::move(needed->needed) : std::unordered_set<repo::ObjectId>{};
  }

  repo::RepositoryId id_;
  std::uint64_t seed_ = 1;
};

}  // namespace backstay::engine
