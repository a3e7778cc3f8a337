#include "backend/s3/answers.h"

#include <gtest/gtest.h>

#include "backend/s3/bucket.h"

namespace backstay::backend::s3 {
namespace {

TEST(S3Answers, HaveErrorsWithAndWithoutNamespaces) {
  const ErrorAnswer aws = parse_error(as_bytes(
      "<?xml version=\"1.0\" "
      "encoding=\"UTF-8\"?>\n<Error><Code>PermanentRedirect</Code><Message>The "
      "bucket you are attempting to access must be addressed using the specified "
      "endpoint.</Message>"
      "<Endpoint>b.s3.eu-west-1.amazonaws.com</Endpoint><Region>eu-west-1</Region></Error>"));
  EXPECT_EQ(aws.code, "PermanentRedirect");
  EXPECT_EQ(aws.region, "eu-west-1");
  EXPECT_EQ(parse_error(as_bytes("<s:Error xmlns:s='x'><s:Code>A</s:Code></s:Error>")).code, "A");
  for (const char* const text : {"", "no", "<html><body>502</body></html>", "<Error><Code>"}) {
    EXPECT_EQ(parse_error(as_bytes(text)).message, "") << text;
  }
}

// As Ceph RGW 16, Swift and AWS write it.
TEST(S3Answers, HaveListsAsTheStoresWriteThem) {
  const ListPage page =
      parse_list(
          as_bytes(
              "<?xml version='1.0' encoding='UTF-8'?><ListBucketResult "
              "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>b</Name><Prefix/>"
              "<IsTruncated>true</IsTruncated><NextContinuationToken>a&amp;b/+="
              "</NextContinuationToken><Contents><Key>data/3f</Key><LastModified>"
              "2026-11-22T10:30:00.987Z</LastModified><ETag>&quot;x&quot;</ETag><Size>12</Size>"
              "<Owner><ID>t</ID></Owner></Contents></ListBucketResult>"))
          .value();
  EXPECT_EQ(page.next, "a&b/+=");
  ASSERT_EQ(page.keys.size(), 1U);
  EXPECT_EQ(page.keys[0].key, "data/3f");
  EXPECT_EQ(page.keys[0].size_bytes, 12U);
  EXPECT_EQ(page.keys[0].modified, (Timestamp{1795343400, 0}));
}

TEST(S3Answers, AreCorruptionWhereSomethingIsMissing) {
  for (const char* const text :
       {"", "<ListBucketResult", "<Other/>",
        "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
        "<ListBucketResult></ListBucketResult>",
        "<ListBucketResult><IsTruncated>True</IsTruncated></ListBucketResult>",
        "<ListBucketResult><IsTruncated>false</IsTruncated><KeyCount>2</KeyCount>"
        "</ListBucketResult>",
        "<ListBucketResult><Contents><Key>a</Key><Size>-1</Size><LastModified>2026-11-22T10:30:00Z"
        "</LastModified></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Key>a</Key><Size>1</Size><LastModified>now"
        "</LastModified></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Size>1</Size><LastModified>2026-11-22T10:30:00Z"
        "</LastModified></Contents></ListBucketResult>"}) {
    EXPECT_EQ(parse_list(as_bytes(text)).error().code(), ErrorCode::kCorruption) << text;
  }
  EXPECT_FALSE(parse_upload_id(as_bytes("<InitiateMultipartUploadResult/>")).has_value());
  EXPECT_FALSE(parse_assumed_role(as_bytes("<x/>")).has_value());
  EXPECT_FALSE(parse_retention(as_bytes("<Retention><Mode>X</Mode></Retention>")).has_value());
  EXPECT_FALSE(parse_retention(as_bytes("<Other/>")).has_value());
}

TEST(S3Answers, HavePartsAndUploadsThatWereLeft) {
  const auto page =
      parse_parts(as_bytes("<ListPartsResult xmlns='x'><Part><PartNumber>2</PartNumber><ETag>"
                           "&quot;ab&quot;</ETag><Size>70</Size></Part><IsTruncated>true"
                           "</IsTruncated><NextPartNumberMarker>2</NextPartNumberMarker>"
                           "</ListPartsResult>"))
          .value();
  ASSERT_EQ(page.parts.size(), 1U);
  EXPECT_EQ(page.parts[0].number, 2);
  EXPECT_EQ(page.parts[0].size_bytes, 70U);
  EXPECT_EQ(page.parts[0].etag, "\"ab\"");
  EXPECT_EQ(page.next, "2");
  for (const char* const text :
       {"", "<Other/>", "<ListPartsResult><IsTruncated>true</IsTruncated></ListPartsResult>",
        "<ListPartsResult><Part><PartNumber>0</PartNumber><ETag>a</ETag><Size>1</Size></Part>"
        "</ListPartsResult>",
        "<ListPartsResult><Part><PartNumber>1</PartNumber><ETag>a</ETag></Part>"
        "</ListPartsResult>"}) {
    EXPECT_EQ(parse_parts(as_bytes(text)).error().code(), ErrorCode::kCorruption) << text;
  }
  const auto uploads =
      parse_uploads(as_bytes("<ListMultipartUploadsResult><Upload><Key>a/b</Key><UploadId>7"
                             "</UploadId><Initiated>2026-11-22T10:30:00.000Z</Initiated></Upload>"
                             "</ListMultipartUploadsResult>"))
          .value();
  ASSERT_EQ(uploads.size(), 1U);
  EXPECT_EQ(uploads[0].key, "a/b");
  EXPECT_EQ(uploads[0].begun, (Timestamp{1795343400, 0}));
  EXPECT_FALSE(parse_uploads(as_bytes("<ListMultipartUploadsResult><Upload/>"
                                      "</ListMultipartUploadsResult>"))
                   .has_value());
}

TEST(S3Answers, FindTheFailureInACompletionThatSucceeded) {
  EXPECT_TRUE(parse_completed(as_bytes("  <CompleteMultipartUploadResult/>")).has_value());
  const auto failed = parse_completed(
      as_bytes("<Error><Code>InternalError</Code><Message>try again</Message></Error>"));
  EXPECT_EQ(failed.error().code(), ErrorCode::kUnavailable);
  EXPECT_FALSE(parse_completed(as_bytes("")).has_value());
}

TEST(S3Answers, HaveLegalHolds) {
  for (const LegalHold hold : {LegalHold::kOn, LegalHold::kOff})
    EXPECT_EQ(parse_legal_hold(as_bytes(legal_hold_body(hold))).value(), hold);
  for (const char* const bad : {"", "<LegalHold/>", "<LegalHold><Status>MAYBE</Status></LegalHold>",
                                "<Retention><Status>ON</Status></Retention>"})
    EXPECT_EQ(parse_legal_hold(as_bytes(bad)).error().code(), ErrorCode::kCorruption) << bad;
}

TEST(S3Answers, HaveRetentionsAndLocks) {
  const auto retention =
      parse_retention(as_bytes("<Retention><Mode>COMPLIANCE</Mode><RetainUntilDate>"
                               "2026-11-22T10:30:00.000000000Z</RetainUntilDate></Retention>"))
          .value();
  ASSERT_TRUE(retention.has_value());
  EXPECT_EQ(retention->until, (Timestamp{1795343400, 0}));
  EXPECT_FALSE(parse_retention(as_bytes("<Retention/>")).value().has_value());
  EXPECT_EQ(
      parse_retention(as_bytes(retention_body("GOVERNANCE", retention->until))).value()->until,
      retention->until);
  EXPECT_FALSE(parse_lock_enabled(as_bytes("<ObjectLockConfiguration/>")));
  EXPECT_FALSE(parse_lock_enabled(as_bytes("")));
}

TEST(S3Answers, SayWhetherVersionsAreKept) {
  const auto said = [](std::string_view inner) {
    return parse_versioning(
        as_bytes("<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">" +
                 std::string(inner) + "</VersioningConfiguration>"));
  };
  EXPECT_EQ(said("<Status>Enabled</Status>"), Answer::kYes);
  EXPECT_EQ(said("<Status>Suspended</Status>"), Answer::kNo);
  EXPECT_EQ(said(""), Answer::kNo);
  EXPECT_EQ(said("<Status>Perhaps</Status>"), Answer::kUnknown);
  EXPECT_EQ(parse_versioning(as_bytes("<ListBucketResult/>")), Answer::kUnknown);
  EXPECT_EQ(parse_versioning(as_bytes("")), Answer::kUnknown);
}

TEST(S3Answers, SayWhatToDoNext) {
  const auto meant = [](int status, const std::string& code) {
    return error_of(status, {code, "words", "", ""}, "config");
  };
  EXPECT_EQ(meant(404, "NoSuchBucket").code(), ErrorCode::kNoRepository);
  EXPECT_EQ(meant(503, "SlowDown").code(), ErrorCode::kUnavailable);
  EXPECT_EQ(meant(403, "RequestTimeTooSkewed").code(), ErrorCode::kPermissionDenied);
  EXPECT_NE(meant(403, "RequestTimeTooSkewed").hint().find("clock"), std::string::npos);
  EXPECT_EQ(meant(412, "").code(), ErrorCode::kAlreadyExists);
  EXPECT_EQ(meant(599, "Whatever").code(), ErrorCode::kUnavailable);
  EXPECT_EQ(meant(403, "InvalidObjectState").code(), ErrorCode::kUnsupported);
  EXPECT_FALSE(meant(301, "PermanentRedirect").hint().empty());
}

}  // namespace
}  // namespace backstay::backend::s3
