#include "policy/copy_digits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace backstay::policy {
namespace {

using testing::HasSubstr;

PlaceFacts good(std::string name, std::string medium, std::string site) {
  return {.name = std::move(name),
          .medium = std::move(medium),
          .site = std::move(site),
          .reachable = true,
          .current = true,
          .packs = 7,
          .packs_verified = 7};
}

class CopyDigits : public testing::Test {
 protected:
  [[nodiscard]] std::string shown() const {
    std::string text;
    for (const Digit& digit : copy_digits(set_, places_))
      text += std::to_string(digit.found) + (digit.met ? "+ " : "- ");
    return text;
  }
  [[nodiscard]] Digit digit(std::size_t number) const { return copy_digits(set_, places_)[number]; }

  PlaceSet set_{.source_medium = "disk", .source_site = "office"};
  std::vector<PlaceFacts> places_{good("cellar", "disk", "office"), good("cloud", "s3", "eu")};
};

TEST_F(CopyDigits, AreMetWhenAllIsThereAndVerified) {
  places_[1].immutable = true;
  EXPECT_EQ(shown(), "3+ 2+ 1+ 1+ 0+ ");
  for (const Digit& one : copy_digits(set_, places_)) EXPECT_EQ(one.next, "");
  EXPECT_EQ(digit(0).reason, "the source, cellar, cloud");
}

TEST_F(CopyDigits, CountNoPlaceThatIsAwayOrBehind) {
  places_[1].immutable = true;
  places_[1].current = false;
  EXPECT_EQ(shown(), "2- 1- 0- 0- 0+ ");
  EXPECT_EQ(digit(0).next, "Run 'backstay copy' for cloud.");
  places_[1].reachable = false;
  EXPECT_EQ(shown(), "2- 1- 0- 0- 0- ");
  EXPECT_EQ(digit(0).next, "Make reachable cloud.");
  EXPECT_THAT(digit(4).reason, HasSubstr("nothing is known of cloud"));
}

TEST_F(CopyDigits, TakeNothingForGrantedThatNobodySaid) {
  places_[0].medium = places_[1].medium = places_[1].site = "";
  EXPECT_EQ(shown(), "3+ 1- 0- 0- 0+ ");
  EXPECT_EQ(digit(1).next, "Say 'medium:' for cellar, cloud.");
  EXPECT_EQ(digit(2).next, "Say 'site:' for cloud.");
  set_.source_site = "";
  places_[1].site = "eu";
  EXPECT_FALSE(digit(2).met);
}

TEST_F(CopyDigits, CallNoErrorsOnlyWhatWasVerified) {
  places_[0].packs_verified = 6;
  EXPECT_FALSE(digit(4).met);
  EXPECT_THAT(digit(4).reason, HasSubstr("1 packs not verified lately in cellar"));
  places_[1].damages = 2;
  EXPECT_EQ(digit(4).found, 2U);
  EXPECT_THAT(digit(4).next, HasSubstr("Repair (docs/repair.md) cloud"));
}

TEST_F(CopyDigits, CountNoPlaceThatIsDamaged) {
  places_[1].immutable = true;
  places_[1].damages = 1;
  EXPECT_EQ(shown(), "2- 1- 0- 0- 1- ");
  EXPECT_EQ(digit(0).next, "Repair (docs/repair.md) cloud.");
}

TEST_F(CopyDigits, OfAPrimaryThatWasSetBackDoNotAskForACopy) {
  places_[0].primary = true;
  places_[0].current = false;
  EXPECT_EQ(shown(), "2- 2+ 1+ 0- 0+ ");
  EXPECT_EQ(digit(0).next,
            "Run 'backstay backup', and find out what became of the newest snapshots of cellar.");
}

TEST_F(CopyDigits, CountARepositoryOfTwoAddressesOnce) {
  places_.push_back(good("again", "tape", "moon"));
  places_.back().same_as = "cloud";
  places_.back().offline = true;
  places_.back().damages = 3;
  EXPECT_EQ(shown(), "3+ 2+ 1+ 0- 0+ ");
  EXPECT_EQ(digit(0).reason, "the source, cellar, cloud; again is the repository cloud");
  places_[1].reachable = false;
  EXPECT_THAT(digit(0).next, HasSubstr("Give a repository of its own to again"));
}

TEST_F(CopyDigits, TakeAMediumThatIsTakenAwayForOneThatIsKept) {
  EXPECT_FALSE(digit(3).met);
  places_[0].offline = true;
  EXPECT_EQ(digit(3).reason, "cellar");
  EXPECT_TRUE(digit(3).met);
}

TEST_F(CopyDigits, OfASetWithoutCopiesAskForOne) {
  places_.resize(1);
  EXPECT_EQ(shown(), "2- 1- 0- 0- 0+ ");
  EXPECT_EQ(digit(0).next, "Add a copy to the set.");
}

}  // namespace
}  // namespace backstay::policy
