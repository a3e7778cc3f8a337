#include "cli/restore_from_copies.h"

#include <gtest/gtest.h>

namespace backstay::cli {
namespace {

class DamageWatchTest : public testing::Test {
 protected:
  void report(const std::string& path, ErrorCode code) {
    watch_.activity().report(path, Error(code, "trouble"));
    ++reported_;
  }

  int reported_ = 0;
  int told_ = 0;
  engine::Progress progress_;
  engine::Activity inner_{.progress = progress_,
                          .stop = {},
                          .report = [this](const std::string&, const Error&) { ++told_; },
                          .note = {}};
  DamageWatch watch_{inner_};
};

TEST_F(DamageWatchTest, KnowsDamageFromTroubleWithTheTarget) {
  report("/home/lost", ErrorCode::kCorruption);
  report("/home/forbidden", ErrorCode::kPermissionDenied);
  EXPECT_EQ(watch_.paths(), std::set<std::string>{"/home/lost"});
  EXPECT_EQ(watch_.count(), 1U);
  EXPECT_EQ(told_, reported_);
}

TEST_F(DamageWatchTest, CallsNothingRestoredThatFailedForAnyReason) {
  report("/home/lost", ErrorCode::kCorruption);
  report("/home/forbidden", ErrorCode::kPermissionDenied);
  EXPECT_TRUE(watch_.heard_of("/home/lost"));
  EXPECT_TRUE(watch_.heard_of("/home/forbidden"));
  EXPECT_TRUE(watch_.heard_of("/home/forbidden/below/it"));
  EXPECT_FALSE(watch_.heard_of("/home/forbidden2"));
  EXPECT_FALSE(watch_.heard_of("/home"));
  EXPECT_FALSE(watch_.heard_of(""));
}

}  // namespace
}  // namespace backstay::cli
