#include "engine/restore/folded_name.h"
#include "engine/testing/restore_fixture.h"

namespace backstay::engine {
namespace {

using restoring::folded_name;

TEST(FoldedName, TakesLettersOfBothSizesForOne) {
  EXPECT_EQ(folded_name("README.Txt"), folded_name("readme.txt"));
  EXPECT_EQ(folded_name("\xc3\x84rger"), folded_name("\xc3\xa4rger"));          // Latin-1
  EXPECT_EQ(folded_name("\xc5\xbb"), folded_name("\xc5\xbc"));                  // Latin Extended-A
  EXPECT_EQ(folded_name("\xce\xa3"), folded_name("\xcf\x83"));                  // Greek
  EXPECT_EQ(folded_name("\xd0\x96\xd0\x81"), folded_name("\xd0\xb6\xd1\x91"));  // Cyrillic
  EXPECT_NE(folded_name("a"), folded_name("b"));
  EXPECT_NE(folded_name("\xc3\x97"), folded_name("\xc3\xb7"));  // times and divided by
}

TEST(FoldedName, LeavesBytesThatAreNoTextAsTheyAre) {
  EXPECT_EQ(folded_name("\xff\xc3"), "\xff\xc3");
  EXPECT_EQ(folded_name("\xc3(A"), "\xc3(a");
  EXPECT_EQ(folded_name(""), "");
}

class TargetThatIgnoresCase : public RestoreFixture {
 protected:
  TargetThatIgnoresCase() { limits_.ignores_case = true; }
};

TEST_F(TargetThatIgnoresCase, GetsTheFirstOfTwoNamesAndTheOtherIsNamed) {
  add_folder("/a");
  add_file("/a/Name", "first");
  add_file("/a/name", "second");
  add_file("/a/other", "other");
  add_folder("/b");
  add_folder("/B");
  add_file("/B/inside", "capital");
  add_file("/b/inside", "small");
  finish();
  const auto report = restore();
  ASSERT_TRUE(report.has_value()) << report.error().describe();
  EXPECT_EQ(names(), (std::vector<std::string>{"/B", "/B/inside", "/a", "/a/Name", "/a/other"}));
  EXPECT_EQ(text_of("/a/Name"), "first");
  EXPECT_EQ(text_of("/B/inside"), "capital");
  EXPECT_EQ(trouble_paths(), (std::vector<std::string>{"/a/name", "/b", "/b/inside"}));
  EXPECT_EQ(report->files_failed, 2U);
}

TEST_F(TargetThatIgnoresCase, LosesNothingToDeletingWhenTheNameIsShownInOtherLetters) {
  add_folder("/a");
  add_file("/a/NAME", "wanted");
  finish();
  write("/a/name", "what such a file system shows for NAME");
  write("/a/extra", "goes");
  options_.delete_extra = true;
  ASSERT_TRUE(restore().has_value());
  EXPECT_TRUE(exists("/a/name"));
  EXPECT_FALSE(exists("/a/extra"));
}

}  // namespace
}  // namespace backstay::engine
