#include "backend/read_only_backend.h"

#include <gtest/gtest.h>

#include "backend/memory_backend.h"
#include "backend/testing/backend_contract.h"

namespace backstay::backend {
namespace {

struct ReadOnly : ::testing::Test {
  ReadOnly() {
    EXPECT_TRUE(memory.put("config", as_bytes("0123")).has_value());
    EXPECT_TRUE(memory.put("data/3f/a", as_bytes("abc")).has_value());
  }
  SleptTime clock;
  MemoryBackend memory{clock};
  ReadOnlyBackend backend{std::make_unique<ForwardingBackend>(memory), clock};
};

TEST_F(ReadOnly, ReadsWhatIsThere) {
  EXPECT_EQ(as_text(backend.get("config", 10).value()), "0123");
  Bytes out(2);
  ASSERT_TRUE(backend.get_range("config", 1, out).has_value());
  EXPECT_EQ(as_text(out), "12");
  EXPECT_EQ(backend.head("data/3f/a")->size_bytes, 3U);
  std::size_t listed = 0;
  ASSERT_TRUE(backend
                  .list("",
                        [&](const ObjectInfo&) -> Result<void> {
                          ++listed;
                          return {};
                        })
                  .has_value());
  EXPECT_EQ(listed, 2U);
  EXPECT_EQ(backend.store_time().value(), clock.now());
  EXPECT_TRUE(backend.barrier().has_value());
  EXPECT_TRUE(backend.adopt("config").has_value());
}

TEST_F(ReadOnly, RefusesEveryChangeAndSaysWhatToLeaveOut) {
  const auto before = memory.objects();
  const StreamedBytes nothing{.size = 0, .piece_at = {}};
  const Timestamp later{.seconds = 5000, .nanos = 0};
  std::vector<Result<void>> refused;
  refused.push_back(backend.put("data/new", as_bytes("x")));
  refused.push_back(backend.put("config", as_bytes("x")));
  refused.push_back(backend.put_streamed("data/new", nothing));
  refused.push_back(backend.remove("config"));
  refused.push_back(backend.remove("not/there"));
  refused.push_back(backend.retain("config", later));
  refused.push_back(backend.set_append_only(AppendOnly::kOn));
  refused.push_back(backend.replace("leases/a", "1", as_bytes("x")));
  for (const Result<void>& one : refused) {
    ASSERT_FALSE(one.has_value());
    EXPECT_EQ(one.error().code(), ErrorCode::kPermissionDenied);
    EXPECT_NE(one.error().hint().find("--read-only"), std::string::npos);
  }
  EXPECT_EQ(backend.put("../x", as_bytes("x")).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(memory.objects(), before);
}

}  // namespace
}  // namespace backstay::backend
