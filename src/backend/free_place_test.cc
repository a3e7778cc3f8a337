#include "backend/free_place.h"

#include <gtest/gtest.h>

#include "backend/memory_backend.h"
#include "io/file.h"

namespace backstay::backend {
namespace {

Result<std::unique_ptr<Backend>> store_with(const Clock& clock,
                                            std::initializer_list<std::string_view> names) {
  auto store = std::make_unique<MemoryBackend>(clock);
  for (const std::string_view name : names) EXPECT_TRUE(store->put(name, as_bytes("x")));
  return store;
}

bool is_free(std::initializer_list<std::string_view> names) {
  const SystemClock clock;
  return check_store_is_free(store_with(clock, names), "prefix").has_value();
}

TEST(FreePlace, IsAStoreWithARepositoryOrWhatIsLeftOfOne) {
  EXPECT_TRUE(is_free({}));
  EXPECT_TRUE(is_free({"keys/00", "leases/00"}));
  EXPECT_TRUE(is_free({"config", "holiday"}));
  EXPECT_FALSE(is_free({"keys/00", "holiday"}));
}

TEST(FreePlace, IsNoStoreOfSomebodyElse) {
  const SystemClock clock;
  const auto refused = check_store_is_free(store_with(clock, {"holiday"}), "name");
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), ErrorCode::kAlreadyExists);
  EXPECT_NE(refused.error().describe().find("it holds holiday"), std::string::npos);
  EXPECT_NE(refused.error().hint().find("another name"), std::string::npos);
}

TEST(FreePlace, IsWhereNoStoreIsButNotOneThatCannotBeAsked) {
  const auto asked = [](ErrorCode code) { return check_store_is_free(fail(code, "x"), "prefix"); };
  EXPECT_TRUE(asked(ErrorCode::kNoRepository).has_value());
  EXPECT_EQ(asked(ErrorCode::kUnavailable).error().code(), ErrorCode::kUnavailable);
}

TEST(FreePlace, IsAFolderWithWhatFileSystemsPutThere) {
  const std::vector<std::string> names{"lost+found", "keys",
                                       std::string(io::kTemporaryPrefix) + "1", "other"};
  EXPECT_TRUE(check_folder_is_free("/x", std::span(names).first(3)).has_value());
  const auto refused = check_folder_is_free("/x", names);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), ErrorCode::kAlreadyExists);
  EXPECT_NE(refused.error().describe().find("the folder /x is not empty: it holds other"),
            std::string::npos);
}

}  // namespace
}  // namespace backstay::backend
