#include "backend/metered_backend.h"

#include <gtest/gtest.h>

#include "backend/fault_backend.h"
#include "backend/memory_backend.h"
#include "backend/testing/backend_contract.h"

namespace backstay::backend {
namespace {

INSTANTIATE_TEST_SUITE_P(Metered, BackendContract,
                         ::testing::Values(contract_in_memory("metered", [](const Clock& clock) {
                           return std::make_unique<MeteredBackend>(
                               std::make_unique<MemoryBackend>(clock), clock,
                               MeteredBackend::Tell());
                         })));

TEST(Metered, CountsCallsBytesFailuresAndTime) {
  // Time passes while the store works.
  class Slow final : public ForwardingBackend {
   public:
    Slow(Backend& inner, SleptTime& clock) : ForwardingBackend(inner), clock_(clock) {}
    Result<void> put(std::string_view name, std::span<const ByteView> pieces) override {
      clock_.slept += std::chrono::seconds(pieces[0].size());
      return inner_.put(name, pieces);
    }
    SleptTime& clock_;
  };
  SleptTime clock;
  MemoryBackend memory(clock);
  Meters told{};
  {
    MeteredBackend backend(std::make_unique<Slow>(memory, clock), clock,
                           [&](const Meters& meters) { told = meters; });
    EXPECT_TRUE(backend.put("a", as_bytes("123")).has_value());
    EXPECT_TRUE(backend.put("b", as_bytes("12345")).has_value());
    EXPECT_FALSE(backend.put("b", as_bytes("1")).has_value());
    EXPECT_TRUE(backend.get("b", 10).has_value());
    EXPECT_FALSE(backend.get("c", 10).has_value());
    Bytes out(2);
    EXPECT_TRUE(backend.get_range("a", 0, out).has_value());
    EXPECT_FALSE(backend.get_range("a", 2, out).has_value());
  }
  const auto meter = [&](Verb verb) { return told[static_cast<std::size_t>(verb)]; };
  EXPECT_EQ(meter(Verb::kPut).calls, 3U);
  EXPECT_EQ(meter(Verb::kPut).failures, 1U);
  EXPECT_EQ(meter(Verb::kPut).bytes, 8U);
  EXPECT_EQ(meter(Verb::kPut).time, std::chrono::seconds(9));
  EXPECT_EQ(meter(Verb::kPut).time_max, std::chrono::seconds(5));
  EXPECT_EQ(meter(Verb::kGet).calls, 2U);
  EXPECT_EQ(meter(Verb::kGet).failures, 0U) << "that it is not there is an answer";
  EXPECT_EQ(meter(Verb::kGet).bytes, 5U);
  EXPECT_EQ(meter(Verb::kGetRange).failures, 1U);
  EXPECT_EQ(meter(Verb::kGetRange).bytes, 2U);
  EXPECT_EQ(meter(Verb::kRemove).calls, 0U);
}

}  // namespace
}  // namespace backstay::backend
