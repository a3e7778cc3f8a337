#include "repo/generation.h"

#include <gtest/gtest.h>

#include "backend/fault_backend.h"
#include "repo/testing/runs.h"

namespace backstay::repo {
namespace {

RepositoryId some_repository() {
  RepositoryId id;
  SeededRng(4).fill(id.bytes);
  return id;
}

Generation sample_generation(std::uint64_t number) {
  return {.number = number,
          .condemned = {numbered_pack(1), numbered_pack(2)},
          .time = {.seconds = 5, .nanos = 6},
          .ended_leases = {LeaseId{}, LeaseId{{1, 2, 3}}},
          .kept_snapshots = {numbered_pack(3)}};
}

TEST(Generation, IsReadBack) {
  const auto decoded = decode_generation(encode_generation(sample_generation(2), some_repository()),
                                         some_repository());
  ASSERT_EQ(problem(decoded), "");
  EXPECT_EQ(decoded->number, 2U);
  EXPECT_EQ(decoded->condemned, sample_generation(2).condemned);
  EXPECT_EQ(decoded->time, sample_generation(2).time);
  EXPECT_EQ(decoded->ended_leases, sample_generation(2).ended_leases);
  EXPECT_EQ(decoded->kept_snapshots, sample_generation(2).kept_snapshots);
}

TEST(Generation, DamagedOrOfAnotherRepositoryIsRefused) {
  const Bytes object = encode_generation(sample_generation(2), some_repository());
  EXPECT_EQ(code_of(decode_generation(object, RepositoryId{})), "corruption");
  for_each_flip(object, [](const Bytes& damaged, std::size_t) {
    const auto decoded = decode_generation(damaged, some_repository());
    ASSERT_FALSE(decoded);
    EXPECT_TRUE(is_damage(decoded.error().code()));
  });
  for_each_prefix(object, [](ByteView prefix) {
    EXPECT_EQ(code_of(decode_generation(prefix, some_repository())), "corruption");
  });
}

class Generations : public ::testing::Test {
 protected:
  ManualClock clock_;
  backend::MemoryBackend memory_{clock_};
};

TEST_F(Generations, AreReadInOrder) {
  EXPECT_TRUE(read_generations(memory_, some_repository())->empty());
  for (const std::uint64_t number : {10ULL, 2ULL, 3ULL, ~0ULL}) {
    ASSERT_EQ(problem(create_generation(memory_, sample_generation(number), some_repository())),
              "");
  }
  const auto read = read_generations(memory_, some_repository());
  ASSERT_EQ(problem(read), "");
  std::vector<std::uint64_t> numbers;
  for (const Generation& generation : *read) numbers.push_back(generation.number);
  EXPECT_EQ(numbers, (std::vector<std::uint64_t>{2, 3, 10, ~0ULL}));
}

TEST_F(Generations, AreTakenOnce) {
  ASSERT_EQ(problem(create_generation(memory_, sample_generation(2), some_repository())), "");
  EXPECT_EQ(code_of(create_generation(memory_, sample_generation(2), some_repository())),
            "already_exists");
}

TEST_F(Generations, FitTheirObjectWithAllThatTheyMayName) {
  Generation full = sample_generation(2);
  full.condemned.assign(kCondemnedMax, numbered_pack(9));
  full.ended_leases.assign(kEndedLeasesMax, LeaseId{});
  EXPECT_LT(encode_generation(full, some_repository()).size(), kPlainObjectMax - 64 * 1024);
}

TEST_F(Generations, AreReadAgainOnlyWhenTheyAreNotKnown) {
  ASSERT_EQ(problem(create_generation(memory_, sample_generation(2), some_repository())), "");
  ASSERT_EQ(problem(create_generation(memory_, sample_generation(3), some_repository())), "");
  backend::FaultBackend faults(memory_);
  faults.fail_reads("generations/00000000000000000002", ErrorCode::kUnavailable);
  EXPECT_EQ(code_of(read_generations(faults, some_repository())), "unavailable");
  const auto read = read_generations(faults, some_repository(), {sample_generation(2)});
  ASSERT_EQ(problem(read), "");
  EXPECT_EQ(read->size(), 2U);
  ASSERT_EQ(problem(remove_generation(memory_, 2)), "");
  EXPECT_EQ(read_generations(faults, some_repository(), {sample_generation(2)})->size(), 1U);
}

TEST_F(Generations, AreOnlyObjectsOfThatName) {
  ASSERT_EQ(problem(memory_.put("generations/notes", as_bytes("x"))), "");
  ASSERT_EQ(problem(memory_.put("generations/2", as_bytes("x"))), "");
  EXPECT_TRUE(read_generations(memory_, some_repository())->empty());
}

TEST_F(Generations, WithAnotherNumberInsideAreCorruption) {
  ASSERT_EQ(problem(memory_.put("generations/00000000000000000002",
                                encode_generation(sample_generation(3), some_repository()))),
            "");
  EXPECT_EQ(code_of(read_generations(memory_, some_repository())), "corruption");
}

}  // namespace
}  // namespace backstay::repo
