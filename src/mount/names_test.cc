#include "mount/names.h"

#include <gtest/gtest.h>

#include <set>

namespace backstay::mount {
namespace {

TEST(MountNames, OnlyNamesThatAFileSystemCanHaveAreServed) {
  for (const char* bad : {"", ".", "..", "a/b", "/"}) EXPECT_FALSE(can_be_served(bad)) << bad;
  EXPECT_FALSE(can_be_served(std::string_view("a\0b", 3)));
  EXPECT_FALSE(can_be_served(std::string(256, 'x')));
  for (const char* good : {"a", "...", "caf\xe9", "new\nline", " "})
    EXPECT_TRUE(can_be_served(good)) << good;
  EXPECT_TRUE(can_be_served(std::string(255, 'x')));
}

TEST(MountNames, ATimeIsWithoutColonsAndInUtc) {
  EXPECT_EQ(name_of_time({.seconds = 1'763'634'600, .nanos = 999}), "2025-11-20T10-30-00Z");
}

TEST(MountNames, WhateverAHostIsCalledItsFolderHasANameOfItsOwn) {
  EXPECT_EQ(folder_name("web-1.example"), "web-1.example");
  EXPECT_EQ(folder_name("a/b"), "a%2Fb");
  EXPECT_EQ(folder_name(".."), "%2E%2E");
  std::set<std::string> names;
  const std::vector<std::string> hosts = {"",
                                          ".",
                                          "..",
                                          "/",
                                          "%",
                                          "%2F",
                                          "a b",
                                          "a\nb",
                                          "a\x7f",
                                          "%%",
                                          "%25",
                                          std::string(80, 'h'),
                                          std::string(81, 'h'),
                                          std::string(5000, 'h'),
                                          std::string(5000, '/'),
                                          std::string("\0", 1)};
  for (const std::string& host : hosts) {
    const std::string name = folder_name(host);
    EXPECT_TRUE(can_be_served(name)) << name;
    EXPECT_TRUE(names.insert(name).second) << name;
  }
}

TEST(MountNames, AVersionKeepsTheEndOfALongName) {
  EXPECT_EQ(version_name("T-1a2b3c4d", 12, "report.txt"), "T-1a2b3c4d_12_report.txt");
  const std::string name = version_name("T-1a2b3c4d", 12, std::string(250, 'x') + ".txt");
  EXPECT_EQ(name.size(), 255U);
  EXPECT_TRUE(name.ends_with("xxx.txt"));
}

}  // namespace
}  // namespace backstay::mount
