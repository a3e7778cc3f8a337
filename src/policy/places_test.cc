#include "policy/places.h"

#include <gtest/gtest.h>

namespace backstay::policy {
namespace {

using Kind = SecretReference::Kind;

TEST(PlaceFile, SaysWhereThePrimaryAndItsCopiesAre) {
  const PlaceSet set =
      parse_place_file(
          "source: {medium: disk, site: office}\n"
          "primary: {name: cellar, url: /mnt/cellar, medium: disk}\n"
          "copies:\n"
          "  - name: garden\n"
          "    url: s3://bucket/x?region=eu-1&path_style=1\n"
          "    passphrase: command:pass show garden\n"
          "    site: garden\n"
          "    copy: later\n"
          "  - {name: drawer, url: /media/stick, key: \"file:/k\", offline: true}\n",
          "places.yaml")
          .value();
  EXPECT_EQ(set.source_site, "office");
  EXPECT_EQ(set.primary.medium, "disk");
  EXPECT_EQ(set.primary.passphrase, SecretReference{});
  ASSERT_EQ(set.copies.size(), 2U);
  EXPECT_EQ(set.copies[0].url, "s3://bucket/x?region=eu-1&path_style=1");
  EXPECT_EQ(set.copies[0].passphrase,
            (SecretReference{.kind = Kind::kCommand, .value = "pass show garden"}));
  EXPECT_EQ(set.copies[0].copied, CopyWhen::kLater);
  EXPECT_EQ(set.copies[1].copied, CopyWhen::kAfterBackup);
  EXPECT_TRUE(set.copies[1].offline);
  EXPECT_EQ(set.copies[1].key.kind, Kind::kFile);
  EXPECT_EQ(set.find("cellar"), &set.primary);
  EXPECT_EQ(set.find("drawer"), &set.copies[1]);
  EXPECT_EQ(set.find("attic"), nullptr);
}

std::string what_is_wrong(std::string_view text) {
  const auto set = parse_place_file(text, "f.yaml");
  EXPECT_FALSE(set.has_value()) << text;
  return set ? std::string() : set.error().describe();
}

TEST(PlaceFile, SaysWhereItIsWrong) {
  const std::string primary = "primary: {name: a, url: /a}\n";
  EXPECT_EQ(what_is_wrong("primary:\n  name: a\n  ulr: /a\n"),
            "f.yaml:3:3: the primary has no 'ulr'; did you mean 'url'?");
  EXPECT_EQ(what_is_wrong("primary:\n  name: a\n"), "f.yaml:2:3: a has no url");
  EXPECT_EQ(what_is_wrong("copies: []\n"), "f.yaml: there is no primary");
  EXPECT_EQ(what_is_wrong("primary: {name: A, url: /a}\n"),
            "f.yaml:1:17: name is made of a-z, 0-9 and '-', at most 64 of them");
  EXPECT_EQ(what_is_wrong(primary + "copies: [{name: a, url: /b}]\n"),
            "f.yaml: two places are called a");
  EXPECT_EQ(what_is_wrong(primary + "copies: [{name: b, url: /a}]\n"),
            "f.yaml: a and b are one place");
  EXPECT_EQ(what_is_wrong(primary + "copies: [{name: b, url: \"set:/b\"}]\n"),
            "f.yaml:2:26: a place of a set cannot be a set");
  EXPECT_EQ(what_is_wrong(primary + "copies: [{name: b, url: /b, copy: never}]\n"),
            "f.yaml:2:35: copy is after-backup or later, not 'never'");
  EXPECT_EQ(what_is_wrong(primary + "copies: [{name: b, url: /b, key: \"env:B\"}]\n"),
            "f.yaml:2:11: b: a key is file:PATH or command:PROGRAM");
  EXPECT_EQ(what_is_wrong(primary + "sauce: {}\n"),
            "f.yaml:2:1: the file has no 'sauce'; did you mean 'source'?");
  EXPECT_FALSE(what_is_wrong("").empty());
}

TEST(PlaceFile, NeverRepeatsWhatMayBeASecret) {
  const std::string said = what_is_wrong("primary: {name: a, url: /a, passphrase: hunter2}\n");
  EXPECT_EQ(said.find("hunter2"), std::string::npos);
  EXPECT_NE(said.find("env:NAME, file:PATH or command:PROGRAM"), std::string::npos);
}

}  // namespace
}  // namespace backstay::policy
