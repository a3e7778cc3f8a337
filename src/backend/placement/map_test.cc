#include "backend/placement/map.h"

#include <gtest/gtest.h>

#include "backend/placement/map_file.h"

namespace backstay::backend::placement {
namespace {

StoreId id_from(std::uint8_t number) {
  StoreId id;
  id.bytes.fill(number);
  return id;
}

Map three_stores() {
  Map map;
  map.id.bytes.fill(7);
  map.version = 12;
  map.phase = Phase::kMoving;
  map.redundancy = {.data = 1, .parity = 1};
  map.quorum = 2;
  map.losses_before_and_one = 2;
  map.stores = {{.name = "a", .id = id_from(1), .weight = 4, .domain = "house"},
                {.name = "b", .id = id_from(2), .weight = 0, .domain = {}},
                {.name = "c",
                 .id = id_from(3),
                 .weight = 9,
                 .domain = "shed",
                 .membership = Membership::kJoining}};
  return map;
}

TEST(PlacementMap, ComesBackAsItWasWritten) {
  const Map map = three_stores();
  EXPECT_EQ(decode_map(encode_map(map)).value(), map);
  EXPECT_EQ(map_name(12), "placement/map-0000000012");
}

TEST(PlacementMap, AnyByteThatIsFlippedOrCutOffIsCorruption) {
  const Bytes whole = encode_map(three_stores());
  for (std::size_t i = 0; i < whole.size(); ++i) {
    Bytes flipped = whole;
    flipped[i] ^= 0x20;
    const auto read = decode_map(flipped);
    ASSERT_FALSE(read.has_value()) << i;
    EXPECT_EQ(read.error().code(), ErrorCode::kCorruption);
    EXPECT_EQ(decode_map(ByteView(whole).first(i)).error().code(), ErrorCode::kCorruption);
  }
}

TEST(PlacementMap, AStoreSaysWhichItIs) {
  const Identity identity{.placement = three_stores().id, .store = id_from(9)};
  Bytes bytes = encode_identity(identity);
  EXPECT_EQ(decode_identity(bytes).value(), identity);
  bytes[10] ^= 1;
  EXPECT_FALSE(decode_identity(bytes).has_value());
  EXPECT_FALSE(decode_identity(encode_map(three_stores())).has_value());
}

TEST(PlacementMap, RefusesWhatCannotWork) {
  EXPECT_TRUE(validate(three_stores()).has_value());
  Map map = three_stores();
  map.redundancy.parity = 2;
  EXPECT_NE(validate(map).error().describe().find("3 copies need as many stores"),
            std::string::npos);
  map = three_stores();
  map.quorum = 1;
  EXPECT_FALSE(validate(map).has_value()) << "one copy that counts is lost with its store";
  map.quorum = 3;
  EXPECT_FALSE(validate(map).has_value());
  map = three_stores();
  map.stores[2].name = "a";
  EXPECT_FALSE(validate(map).has_value());
  map = three_stores();
  map.stores[2].id = map.stores[0].id;
  EXPECT_FALSE(validate(map).has_value());
  map = three_stores();
  map.stores[0].domain = "Haus";
  EXPECT_FALSE(validate(map).has_value());
}

TEST(PlacementFile, SaysWhereTheStoresAreAndWhatIsWished) {
  const MapFile file = parse_map_file(
                           "# our disks\n"
                           "shards: 2+1\n"
                           "quorum: 3\n"
                           "stores:\n"
                           "  shed: {url: \"sftp://a@b/c\", domain: garden}\n"
                           "  cellar:\n"
                           "    url: /mnt/cellar\n"
                           "    weight: 4\n",
                           "disks.yaml")
                           .value();
  EXPECT_EQ(file.redundancy, (Redundancy{.data = 2, .parity = 1}));
  EXPECT_EQ(file.quorum, 3U);
  ASSERT_EQ(file.stores.size(), 2U);
  EXPECT_EQ(file.stores[0].name, "cellar");
  EXPECT_EQ(file.stores[0].weight, 4U);
  EXPECT_EQ(file.stores[0].domain, "");
  EXPECT_EQ(file.find("shed")->url, "sftp://a@b/c");
  EXPECT_EQ(file.find("shed")->domain, "garden");
  EXPECT_EQ(file.find("attic"), nullptr);
}

TEST(PlacementFile, SaysWhereItIsWrong) {
  const auto what = [](std::string_view text) {
    const auto file = parse_map_file(text, "f.yaml");
    EXPECT_FALSE(file.has_value()) << text;
    return file ? std::string() : file.error().describe();
  };
  EXPECT_EQ(what("copies: two\nstores: {a: {url: /a}}\n"),
            "f.yaml:1:9: copies must be a whole number up to 1000000, not 'two'");
  EXPECT_EQ(what("copies: 2\nstores:\n  a:\n    ulr: /a\n"),
            "f.yaml:4:5: a store has no 'ulr'; did you mean 'url'?");
  EXPECT_EQ(what("copies: 2\nstores:\n  a: {weight: 3}\n"), "f.yaml:3:3: the store a has no url");
  EXPECT_EQ(what("copies: 2\nredundant: 3\n"), "f.yaml:2:1: the file has no 'redundant'");
  EXPECT_NE(what("copies: 2\ncopies: 3\n").find("f.yaml:2:1: "), std::string::npos);
  EXPECT_NE(what("copies: 2\nstores:\n  a: {url: \"/a\n").find("f.yaml:3:"), std::string::npos);
  EXPECT_EQ(what("copies: 2\nshards: 4+2\nstores: {a: {url: /a}}\n"),
            "f.yaml: say either copies or shards");
  EXPECT_EQ(what("shards: 42\n"), "f.yaml:1:9: shards are written like 4+2, not '42'");
  EXPECT_EQ(what("copies: 1\nstores: {A: {url: /a}}\n"),
            "f.yaml:2:10: a store's name is made of a-z, 0-9 and '-'");
  EXPECT_FALSE(what("").empty());
  EXPECT_FALSE(what("- a\n- b\n").empty());
  EXPECT_FALSE(what("copies: &x 2\nstores: {a: {url: *x}}\n").empty());
}

}  // namespace
}  // namespace backstay::backend::placement
