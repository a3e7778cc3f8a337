#include "mount/inode_table.h"

#include <gtest/gtest.h>

namespace backstay::mount {
namespace {

Node node_of(std::uint8_t first, std::uint8_t second) {
  Node node{.place = Place::kHost, .snapshot = {}, .text = {}};
  node.identity = {first};
  node.identity[8] = second;
  return node;
}

TEST(InodeTable, TwoThingsWithTheSameNumberGetTwo) {
  InodeTable table;
  const Inode one = table.remember(node_of(9, 1));
  const Inode two = table.remember(node_of(9, 2));
  EXPECT_EQ(one, 9U);
  EXPECT_EQ(two, 10U);
  EXPECT_EQ(table.remember(node_of(9, 2)), two);
  EXPECT_EQ(table.find(two)->identity[8], 2);
  table.forget(two, 1);
  EXPECT_NE(table.find(two), nullptr);
  table.forget(two, 1);
  EXPECT_EQ(table.find(two), nullptr);
  EXPECT_EQ(table.size(), 2U);
}

TEST(InodeTable, NothingTakesTheNumberOfTheRootOrNone) {
  InodeTable table;
  for (std::uint8_t number = 0; number < 3; ++number)
    EXPECT_GT(table.remember(node_of(number, 5)), kRootInode);
  table.forget(kRootInode, 100);
  EXPECT_NE(table.find(kRootInode), nullptr);
  table.forget(12345, 1);
}

}  // namespace
}  // namespace backstay::mount
