#include "backend/memory_backend.h"

#include <gtest/gtest.h>

#include "backend/testing/backend_contract.h"

namespace backstay::backend {
namespace {

INSTANTIATE_TEST_SUITE_P(Memory, BackendContract,
                         ::testing::Values(contract_in_memory("memory", [](const Clock& clock) {
                           return std::make_unique<MemoryBackend>(clock);
                         })));

TEST(MemoryBackend, StartsAgainFromACopyOfWhatItHeld) {
  const SystemClock clock;
  MemoryBackend first(clock);
  ASSERT_TRUE(first.put("data/00/a", as_bytes("x")).has_value());
  const MemoryBackend::Objects copy = first.objects();
  ASSERT_TRUE(first.remove("data/00/a").has_value());
  MemoryBackend second(clock);
  ASSERT_TRUE(second.put("other", as_bytes("y")).has_value());
  second.set_objects(copy);
  EXPECT_EQ(second.objects(), copy);
  EXPECT_EQ(copy.size(), 1U);
  EXPECT_EQ(as_text(copy.at("data/00/a")), "x");
}

TEST(MemoryBackend, LetsOnlyLeasesGoWhenItIsAppendOnly) {
  const SystemClock clock;
  MemoryBackend backend(clock);
  for (const char* const name : {"leases/a-0000000000", "snapshots/a", "generations/b"}) {
    ASSERT_TRUE(backend.put(name, as_bytes("x")).has_value());
  }
  ASSERT_TRUE(backend.set_append_only(AppendOnly::kOn).has_value());
  EXPECT_TRUE(backend.capabilities().append_only);
  EXPECT_TRUE(backend.remove("leases/a-0000000000").has_value());
  EXPECT_TRUE(backend.remove("snapshots/not-there").has_value());
  for (const char* const name : {"snapshots/a", "generations/b"}) {
    EXPECT_EQ(backend.remove(name).error().code(), ErrorCode::kPermissionDenied);
  }
  EXPECT_EQ(backend.objects().size(), 2U);
}

}  // namespace
}  // namespace backstay::backend
