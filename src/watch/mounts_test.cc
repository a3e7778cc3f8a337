#include "watch/mounts.h"

#include <gmock/gmock.h>

namespace backstay::watch {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(Mounts, AreTheFifthFieldOfEachLine) {
  EXPECT_THAT(mounted_folders("36 35 98:0 /mnt1 /srv rw,noatime master:1 - ext3 /dev/root rw\n"
                              "37 35 0:5 / / rw - tmpfs none rw"),
              ElementsAre("/srv", "/"));
}

TEST(Mounts, HaveNamesWithBlanksAndBackslashes) {
  EXPECT_THAT(mounted_folders("1 2 0:1 / /a\\040b\\134c\\09 rw\n"), ElementsAre("/a b\\c\\09"));
}

TEST(Mounts, PassOverLinesThatAreNone) {
  EXPECT_THAT(mounted_folders("\n1 2 3\n1 2 3 4 none\n   \n"), IsEmpty());
}

}  // namespace
}  // namespace backstay::watch
