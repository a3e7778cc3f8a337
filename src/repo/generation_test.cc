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

const Keyring& some_keys() {
  static const Keyring keys = [] {
    SeededRng rng(6);
    return Keyring::random(rng);
  }();
  return keys;
}

Bytes encoded(const Generation& generation) {
  auto object = encode_generation(generation, some_repository(), some_keys());
  EXPECT_EQ(problem(object), "");
  return object ? std::move(*object) : Bytes{};
}

// A failure where one of them is not whole.
Result<std::vector<Generation>> read_all(backend::Backend& store,
                                         const std::vector<Generation>& known = {}) {
  auto read = read_generations(store, some_repository(), some_keys(), known);
  if (!read) return std::unexpected(std::move(read).error());
  if (read->trouble) return std::unexpected(std::move(*read->trouble));
  return std::move(read->generations);
}

Generation sample_generation(std::uint64_t number) {
  return {.number = number,
          .condemned = {numbered_pack(1), numbered_pack(2)},
          .time = {.seconds = 5, .nanos = 6},
          .ended_leases = {LeaseId{}, LeaseId{{1, 2, 3}}},
          .kept_snapshots = {numbered_pack(3)}};
}

TEST(Generation, IsReadBack) {
  const auto decoded =
      decode_generation(encoded(sample_generation(2)), some_repository(), some_keys());
  ASSERT_EQ(problem(decoded), "");
  EXPECT_EQ(decoded->number, 2U);
  EXPECT_EQ(decoded->condemned, sample_generation(2).condemned);
  EXPECT_EQ(decoded->time, sample_generation(2).time);
  EXPECT_EQ(decoded->ended_leases, sample_generation(2).ended_leases);
  EXPECT_EQ(decoded->kept_snapshots, sample_generation(2).kept_snapshots);
}

TEST(Generation, DamagedOrOfAnotherRepositoryIsRefused) {
  const Bytes object = encoded(sample_generation(2));
  EXPECT_EQ(code_of(decode_generation(object, RepositoryId{}, some_keys())), "corruption");
  for_each_flip(object, [](const Bytes& damaged, std::size_t) {
    const auto decoded = decode_generation(damaged, some_repository(), some_keys());
    ASSERT_FALSE(decoded);
    EXPECT_TRUE(is_damage(decoded.error().code()));
  });
  for_each_prefix(object, [](ByteView prefix) {
    EXPECT_EQ(code_of(decode_generation(prefix, some_repository(), some_keys())), "corruption");
  });
}

TEST(Generation, IsBelievedOnlyFromWhoHasAKeyThatReads) {
  SeededRng rng(7);
  const Keyring stranger = Keyring::random(rng);
  const auto forged = encode_generation(sample_generation(2), some_repository(), stranger);
  ASSERT_EQ(problem(forged), "");
  EXPECT_EQ(code_of(decode_generation(*forged, some_repository(), some_keys())), "corruption");
  EXPECT_EQ(
      code_of(encode_generation(sample_generation(2), some_repository(), some_keys().write_only())),
      "wrong_key");
  EXPECT_EQ(problem(decode_generation(encoded(sample_generation(2)), some_repository(),
                                      some_keys().write_only())),
            "")
      << "who only writes must know what is condemned";
}

class Generations : public ::testing::Test {
 protected:
  ManualClock clock_;
  backend::MemoryBackend memory_{clock_};
};

TEST_F(Generations, AreReadInOrder) {
  EXPECT_TRUE(read_all(memory_)->empty());
  for (const std::uint64_t number : std::vector<std::uint64_t>{10, 2, 3, kGenerationMax}) {
    ASSERT_EQ(problem(create_generation(memory_, sample_generation(number), some_repository(),
                                        some_keys())),
              "");
  }
  const auto read = read_all(memory_);
  ASSERT_EQ(problem(read), "");
  std::vector<std::uint64_t> numbers;
  for (const Generation& generation : *read) numbers.push_back(generation.number);
  EXPECT_EQ(numbers, (std::vector<std::uint64_t>{2, 3, 10, kGenerationMax}));
}

TEST_F(Generations, AreTakenOnce) {
  ASSERT_EQ(
      problem(create_generation(memory_, sample_generation(2), some_repository(), some_keys())),
      "");
  EXPECT_EQ(
      code_of(create_generation(memory_, sample_generation(2), some_repository(), some_keys())),
      "already_exists");
}

TEST_F(Generations, FitTheirObjectWithAllThatTheyMayName) {
  Generation full = sample_generation(2);
  full.condemned.assign(kCondemnedMax, numbered_pack(9));
  full.ended_leases.assign(kEndedLeasesMax, LeaseId{});
  full.kept_snapshots.assign(kKeptSnapshotsMax, numbered_pack(8));
  EXPECT_EQ(problem(create_generation(memory_, full, some_repository(), some_keys())), "");
  full.condemned.assign(2 * kCondemnedMax, numbered_pack(9));
  full.number = 3;
  EXPECT_EQ(code_of(create_generation(memory_, full, some_repository(), some_keys())),
            "invalid_argument");
}

TEST_F(Generations, AreReadAgainOnlyWhenTheyAreNotKnown) {
  ASSERT_EQ(
      problem(create_generation(memory_, sample_generation(2), some_repository(), some_keys())),
      "");
  ASSERT_EQ(
      problem(create_generation(memory_, sample_generation(3), some_repository(), some_keys())),
      "");
  backend::FaultBackend faults(memory_);
  faults.fail_reads("generations/00000000000000000002", ErrorCode::kUnavailable);
  EXPECT_EQ(code_of(read_all(faults)), "unavailable");
  const auto read = read_all(faults, {sample_generation(2)});
  ASSERT_EQ(problem(read), "");
  EXPECT_EQ(read->size(), 2U);
  ASSERT_EQ(problem(remove_generation(memory_, 2)), "");
  EXPECT_EQ(read_all(faults, {sample_generation(2)})->size(), 1U);
}

TEST_F(Generations, AreOnlyObjectsOfThatName) {
  ASSERT_EQ(problem(memory_.put("generations/notes", as_bytes("x"))), "");
  ASSERT_EQ(problem(memory_.put("generations/2", as_bytes("x"))), "");
  // Whoever could make others believe in the last number would have ended all collections.
  for (const std::string name :
       {"00000000000000000000", "00000000000000000001", "18446744073709551615"}) {
    ASSERT_EQ(problem(memory_.put("generations/" + name, as_bytes("x"))), "");
  }
  EXPECT_EQ(code_of(create_generation(memory_, sample_generation(kGenerationMax + 1),
                                      some_repository(), some_keys())),
            "corruption");
  EXPECT_TRUE(read_all(memory_)->empty());
}

TEST_F(Generations, WithAnotherNumberInsideAreCorruption) {
  ASSERT_EQ(problem(memory_.put("generations/00000000000000000002", encoded(sample_generation(3)))),
            "");
  EXPECT_EQ(code_of(read_all(memory_)), "corruption");
}

TEST_F(Generations, ThatAreWholeAreReadBesideOneThatIsNot) {
  ASSERT_EQ(
      problem(create_generation(memory_, sample_generation(2), some_repository(), some_keys())),
      "");
  ASSERT_EQ(problem(memory_.put("generations/00000000000000000003", as_bytes("planted"))), "");
  const auto read = read_generations(memory_, some_repository(), some_keys());
  ASSERT_EQ(problem(read), "");
  ASSERT_EQ(read->generations.size(), 1U);
  EXPECT_TRUE(read->trouble);
}

// ---- what is carried from one to the next

LeaseId lease_number(std::uint8_t number) {
  return LeaseId{{number, 1}};
}

TEST(NextGeneration, IsTheSecondWhereThereIsNone) {
  const Generation next = next_generation({}, {}, {.seconds = 7, .nanos = 0});
  EXPECT_EQ(next.number, 2U);
  EXPECT_EQ(next.time.seconds, 7);
  EXPECT_TRUE(next.ended_leases.empty());
}

TEST(NextGeneration, NamesEndedLeasesAndWhatTheyHadCommitted) {
  const EndedLeases seen{
      .ended = {lease_number(1), lease_number(2)},
      .committed = {{numbered_pack(10), lease_number(1)}, {numbered_pack(11), lease_number(3)}},
      .uncounted = {}};
  const Generation next = next_generation({}, seen, {});
  EXPECT_EQ(next.ended_leases, (std::vector{lease_number(1), lease_number(2)}));
  EXPECT_EQ(next.kept_snapshots, std::vector{numbered_pack(10)}) << "3 was not ended";
}

TEST(NextGeneration, CarriesWhatTheLastSaidAndNothingElseOfThoseLeases) {
  Generation last;
  last.number = 5;
  last.condemned = {numbered_pack(1)};
  last.ended_leases = {lease_number(1)};
  last.kept_snapshots = {numbered_pack(10), numbered_pack(12)};
  const EndedLeases seen{
      .ended = {lease_number(1)},
      .committed = {{numbered_pack(10), lease_number(1)}, {numbered_pack(13), lease_number(1)}},
      .uncounted = {}};
  const Generation next = next_generation({last}, seen, {});
  EXPECT_EQ(next.number, 6U);
  EXPECT_TRUE(next.condemned.empty());
  EXPECT_EQ(next.ended_leases, std::vector{lease_number(1)});
  EXPECT_EQ(next.kept_snapshots, std::vector{numbered_pack(10)})
      << "12 was forgotten, and 13 came after its lease was ended";
}

TEST(NextGeneration, LeavesOutTheOldestButNoneThatHidesASnapshot) {
  Generation last;
  last.number = 5;
  for (std::size_t i = 0; i < kEndedLeasesMax; ++i) {
    last.ended_leases.push_back(
        LeaseId{{static_cast<std::uint8_t>(i & 0xffU), static_cast<std::uint8_t>(i >> 8U), 1}});
  }
  const LeaseId fresh{{7, 7, 7}};
  const EndedLeases seen{
      .ended = {fresh}, .committed = {}, .uncounted = {last.ended_leases.front()}};
  const Generation next = next_generation({last}, seen, {});
  ASSERT_EQ(next.ended_leases.size(), kEndedLeasesMax);
  EXPECT_EQ(next.ended_leases[0], last.ended_leases[0]);
  EXPECT_EQ(next.ended_leases[1], last.ended_leases[2]);
  EXPECT_EQ(next.ended_leases.back(), fresh);
}

}  // namespace
}  // namespace backstay::repo
