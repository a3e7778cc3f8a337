// What reads find missing or damaged is put again.
#include "backend/placement/mending.h"

#include <gtest/gtest.h>

#include "backend/placement/testing/many_stores_fixture.h"

namespace backstay::backend::placement {
namespace {

class MendedReads : public ManyStoresTest {
 protected:
  // It uses what this class has.
  void TearDown() override { backend_.reset(); }
  void open(Mend mend) {
    backend_ = PlacementBackend::open(many_->file(), many_->opener(), "test.yaml",
                                      {.clock = still_, .rng = rng_, .mend = mend, .note = note()})
                   .value();
  }
  std::function<void(const std::string&)> note() {
    return [this](const std::string& line) { noted_.push_back(line); };
  }
  // Of each bulk object the part of one store, or its absence.
  void harm(bool damage) {
    for (const std::string& name : names_) {
      if (!name.starts_with("data/")) continue;
      const unsigned i = backend_->view()->ring().order_of(name).front();
      MemoryBackend::Objects objects = (*many_)[i].memory.objects();
      if (damage)
        objects[name].back() ^= 1;
      else
        objects.erase(name);
      (*many_)[i].memory.set_objects(objects);
    }
  }
  std::vector<MemoryBackend::Objects> all() {
    std::vector<MemoryBackend::Objects> objects;
    for (std::size_t i = 0; i < 5; ++i) objects.push_back((*many_)[i].memory.objects());
    return objects;
  }

  // No time passes, so no store is ever too slow to be asked.
  SleptTime still_;
  SeededRng rng_{7};
  std::vector<std::string> noted_;
};

TEST_F(MendedReads, WhatAReadFoundDamagedOrMissingIsPutAgain) {
  for (const std::string layout : {"copies: 2", "shards: 2+2"}) {
    for (const bool damage : {true, false}) {
      names_.clear();
      noted_.clear();
      make(layout, 5);
      fill(20);
      const auto before = all();
      open(Mend::kWhatIsRead);
      harm(damage);
      expect_all(*backend_);
      backend_->wait_for_mending();
      EXPECT_TRUE(all() == before) << layout << " " << damage;
      backend_.reset();
      ASSERT_EQ(noted_.size(), 1U);
      EXPECT_TRUE(noted_[0].contains("20 parts that reads found missing or damaged were put again"))
          << noted_[0];
    }
  }
}

TEST_F(MendedReads, NothingIsPutByWhoOnlyReads) {
  make("copies: 2", 5);
  fill(10);
  harm(true);
  const auto before = all();
  open(Mend::kNothing);
  expect_all(*backend_);
  backend_->wait_for_mending();
  EXPECT_TRUE(all() == before);
  backend_.reset();
  EXPECT_TRUE(noted_.empty());
}

TEST_F(MendedReads, AStoreThatRefusesKeepsWhatItHasAndTheReadSucceeds) {
  make("copies: 2", 5);
  fill(10);
  for (std::size_t i = 0; i < 5; ++i) {
    (*many_)[i].before = [](std::string_view call, std::string_view) -> Result<void> {
      if (call == "put" || call == "remove")
        return fail(ErrorCode::kPermissionDenied, "not by this client");
      return {};
    };
  }
  open(Mend::kWhatIsRead);
  harm(true);
  const auto before = all();
  expect_all(*backend_);
  backend_->wait_for_mending();
  EXPECT_TRUE(all() == before);
  backend_.reset();
  ASSERT_EQ(noted_.size(), 1U);
  EXPECT_TRUE(noted_[0].contains("backstay placement repair --read-data"));
}

TEST_F(MendedReads, TheLastWholePartsAreNotTouched) {
  make("shards: 2+2", 5);
  fill(10);
  open(Mend::kWhatIsRead);
  // Of each three parts are damaged: nothing can be read.
  for (std::size_t i = 0; i < 5; ++i) {
    MemoryBackend::Objects objects = (*many_)[i].memory.objects();
    for (auto& [name, bytes] : objects) {
      if (name.starts_with("data/") && decode_part_header(name, bytes)->index > 0)
        bytes.back() ^= 1;
    }
    (*many_)[i].memory.set_objects(objects);
  }
  const auto before = all();
  EXPECT_EQ(code_of(backend_->get("data/01/0001", 100)), ErrorCode::kCorruption);
  backend_->wait_for_mending();
  EXPECT_TRUE(all() == before);
}

TEST(Mending, LooksAfterEachObjectOnceAndAfterNoMoreThanItsLimit) {
  const SystemClock clock;
  Readers readers(clock);
  std::atomic<int> mended = 0;
  Mending mending(readers,
                  [&](const Noticed&) -> Result<unsigned> {
                    ++mended;
                    return 2U;
                  },
                  {.objects_max = 10});
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 15; ++i) mending.notice({.name = std::to_string(i), .damaged = {}});
  }
  mending.wait();
  const Mending::Report report = mending.finish();
  EXPECT_EQ(mended, 10);
  EXPECT_EQ(report.parts_put, 20U);
  EXPECT_GT(report.objects_left, 0U);
}

}  // namespace
}  // namespace backstay::backend::placement
