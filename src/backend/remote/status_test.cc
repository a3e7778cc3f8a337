#include "backend/remote/status.h"

#include <gtest/gtest.h>

namespace backstay::backend::remote {
namespace {

TEST(RemoteStatus, MeansWhatTheStoreMeansBeforeWhatAllMean) {
  constexpr StatusMeaning kOwn[] = {{.status = 405, .code = ErrorCode::kNotFound},
                                    {.status = 425, .code = ErrorCode::kUnavailable}};
  EXPECT_EQ(code_of_status(405, {}), ErrorCode::kUnsupported);
  EXPECT_EQ(code_of_status(405, kOwn), ErrorCode::kNotFound);
  EXPECT_EQ(code_of_status(425, kOwn), ErrorCode::kUnavailable);
  EXPECT_EQ(code_of_status(404, kOwn), ErrorCode::kNotFound);
  EXPECT_EQ(code_of_status(507, {}), ErrorCode::kNoSpace);
}

TEST(RemoteStatus, OfNoMeaningIsTriedAgainOnlyWhenTheServerFailed) {
  for (const int status : {500, 502, 599}) {
    EXPECT_EQ(code_of_status(status, {}), ErrorCode::kUnavailable) << status;
  }
  for (const int status : {302, 400, 418, 499}) {
    EXPECT_EQ(code_of_status(status, {}), ErrorCode::kInvalidArgument) << status;
  }
}

TEST(RemoteStatus, AsksForAPauseOnlyWhereItMayBeTriedAgain) {
  const auto pause = [](ErrorCode code, std::string text, int status = 500) {
    const http::Response response{
        .status = status, .headers = {{"retry-after", std::move(text)}}, .body = {}};
    return with_pause(Error(code, "x"), response).retry_after_ms();
  };
  EXPECT_EQ(pause(ErrorCode::kUnavailable, "7"), 7'000);
  EXPECT_EQ(pause(ErrorCode::kUnavailable, "100000"), 600'000) << "nobody waits for a day";
  for (const char* const text : {"", "0", "-1", "99999999999", "Sun, 06 Nov 1994 08:49:37 GMT"}) {
    EXPECT_EQ(pause(ErrorCode::kUnavailable, text), 0) << text;
    EXPECT_EQ(pause(ErrorCode::kUnavailable, text, 503), 1)
        << "too much, for nobody knows how long";
  }
  EXPECT_EQ(pause(ErrorCode::kPermissionDenied, "7"), 0);
}

}  // namespace
}  // namespace backstay::backend::remote
