#include "cli/report/page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace backstay::cli::report {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(ReportPage, IsWholeWithoutAnySnapshot) {
  Facts facts;
  facts.place = "/srv/backup";
  facts.now = {.seconds = 1'800'000'000};
  facts.growth.growth.unknown_because = "there are no backups";
  const std::string page = page_of(facts);
  EXPECT_TRUE(page.starts_with("<!DOCTYPE html>"));
  EXPECT_TRUE(page.ends_with("</html>\n"));
  EXPECT_THAT(page, HasSubstr("there are no snapshots"));
}

TEST(ReportPage, TakesNamesForNothingButText) {
  const std::string evil = "<script>alert(1)</script>";
  Facts facts;
  facts.place = evil;
  SourceFacts source{.host = evil,
                     .paths = {evil},
                     .snapshots = 1,
                     .oldest = {},
                     .newest = {},
                     .folders = {{.path = evil, .files = 1, .stored_bytes = 5}},
                     .changed = engine::DiffReport{},
                     .largest = {{.path = evil,
                                  .kind = engine::ChangeKind::kAdded,
                                  .before = {},
                                  .after = snapshot::Entry{}}}};
  source.newest.snapshot.paths = {evil};
  facts.sources.push_back(source);
  const std::string page = page_of(facts);
  EXPECT_THAT(page, Not(HasSubstr("<script")));
  EXPECT_THAT(page, HasSubstr("&lt;script&gt;"));
}

TEST(ReportPage, CountsAsUnverifiedWhatNoCheckRead) {
  Facts facts;
  facts.holdings.packs = 7;
  facts.holdings.packs_verified = 5;
  EXPECT_THAT(page_of(facts), HasSubstr("tile bad\">Unverified<b>2</b>"));
  facts.holdings.packs_verified = 7;
  EXPECT_THAT(page_of(facts), HasSubstr("tile good\">Unverified<b>0</b>"));
}

}  // namespace
}  // namespace backstay::cli::report
