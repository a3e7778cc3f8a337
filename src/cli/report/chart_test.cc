#include "cli/report/chart.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace backstay::cli::report {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

TEST(HtmlText, LeavesNoMarkupAndNoTricks) {
  EXPECT_EQ(html_text("<b onclick='x'>\"&\""), "&lt;b onclick=&#39;x&#39;&gt;&quot;&amp;&quot;");
  EXPECT_THAT(html_text("a\x1b[31m\nb"), Not(HasSubstr("\x1b")));
  EXPECT_EQ(html_text("\xff"), "\\xff");
  EXPECT_EQ(html_text("备份"), "备份");
}

TEST(ByteTicks, ReachBeyondTheMostInFewSteps) {
  EXPECT_THAT(byte_ticks(0), ElementsAre(0, 1));
  EXPECT_THAT(byte_ticks(3), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(byte_ticks(1000), ElementsAre(0, 256, 512, 768, 1024));
  for (const std::uint64_t most : {7ULL, 5'000'000'000ULL, 1ULL << 62}) {
    EXPECT_GE(byte_ticks(most).back(), most);
    EXPECT_LE(byte_ticks(most).size(), 6U);
  }
}

TEST(BytesOverTime, KeepsAValueUntilTheNextMoment) {
  const std::string picture =
      bytes_over_time({{.seconds = 0}, {.seconds = 100}},
                      {{.name = "it", .css_class = "one", .values = {0, 4}}}, "how it grew");
  EXPECT_THAT(picture, HasSubstr("d=\"M80.0 212.0H708.0V12.0\""));
  EXPECT_THAT(picture, HasSubstr("aria-label=\"how it grew\""));
}

TEST(BytesOverTime, IsEmptyWithoutTwoMoments) {
  EXPECT_THAT(bytes_over_time({}, {}, ""), IsEmpty());
  EXPECT_THAT(bytes_over_time({{.seconds = 5}, {.seconds = 5}},
                              {{.name = "", .css_class = "", .values = {1, 2}}}, ""),
              IsEmpty());
}

TEST(BytesOverTime, DrawsTheFirstAndTheLastOfVeryMany) {
  std::vector<Timestamp> times;
  Line line{.name = "it", .css_class = "one", .values = {}};
  for (std::int64_t i = 0; i < 100'000; ++i) {
    times.push_back({.seconds = i});
    line.values.push_back(static_cast<std::uint64_t>(i));
  }
  const std::string picture = bytes_over_time(times, {line}, "");
  EXPECT_LT(picture.size(), 20'000U);
  EXPECT_THAT(picture, HasSubstr("M80.0"));
  EXPECT_THAT(picture, HasSubstr("H708.0"));
}

}  // namespace
}  // namespace backstay::cli::report
