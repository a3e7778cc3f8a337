#include "backend/store_world.h"

#include <gtest/gtest.h>

#include <map>

namespace backstay::backend {
namespace {

Variables variables(std::map<std::string, std::string, std::less<>> all) {
  return [all = std::move(all)](std::string_view name) -> std::optional<std::string> {
    const auto found = all.find(name);
    if (found == all.end()) return std::nullopt;
    return found->second;
  };
}

TEST(StoreWorld, TakesOurAuthoritiesBeforeThoseOfTheSystem) {
  EXPECT_EQ(authorities_file(variables({})), "");
  EXPECT_EQ(authorities_file(variables({{"SSL_CERT_FILE", "/system"}})), "/system");
  EXPECT_EQ(
      authorities_file(variables({{"SSL_CERT_FILE", "/system"}, {"BACKSTAY_CA_FILE", "/ours"}})),
      "/ours");
}

TEST(StoreWorld, TakesANumberOfConnectionsThatIsOne) {
  const auto connections = [](std::string text) {
    return connections_in(variables({{"N", std::move(text)}}), "N", 5);
  };
  EXPECT_EQ(connections_in(variables({}), "N", 5).value(), 5);
  EXPECT_EQ(connections("1").value(), 1);
  EXPECT_EQ(connections("64").value(), 64);
  for (const char* const text : {"", "0", "65", "-1", "4 ", "many"}) {
    const auto refused = connections(text);
    ASSERT_FALSE(refused.has_value()) << text;
    EXPECT_EQ(refused.error().code(), ErrorCode::kInvalidArgument) << text;
  }
}

}  // namespace
}  // namespace backstay::backend
