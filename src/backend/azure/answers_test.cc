#include "backend/azure/answers.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "backend/azure/address.h"

namespace backstay::backend::azure {
namespace {

std::string list(std::string_view blobs, std::string_view end = "<NextMarker/>") {
  return fmt::format(
      "\xef\xbb\xbf<?xml version=\"1.0\"?><EnumerationResults><Blobs>{}</Blobs>{}"
      "</EnumerationResults>",
      blobs, end);
}

std::string blob(std::string_view name, std::string_view size = "3") {
  return fmt::format(
      "<Blob><Name>{}</Name><Properties><Last-Modified>Sun, 06 Nov 1994 08:49:37 GMT"
      "</Last-Modified><Content-Length>{}</Content-Length></Properties></Blob>",
      name, size);
}

TEST(AzureAnswers, ListsBlobsAndSaysWhereItGoesOn) {
  const std::string xml = list(blob("a/b&amp;c") + blob("d", "0"), "<NextMarker>m</NextMarker>");
  const BlobPage page = parse_blobs(as_bytes(xml)).value();
  ASSERT_EQ(page.blobs.size(), 2U);
  EXPECT_EQ(page.blobs[0].name, "a/b&c");
  EXPECT_EQ(page.blobs[0].size_bytes, 3U);
  EXPECT_EQ(page.blobs[0].modified, (Timestamp{784111777, 0}));
  EXPECT_EQ(page.next, "m");
  EXPECT_EQ(parse_blobs(as_bytes(list("")))->next, "");
}

TEST(AzureAnswers, RefusesAListThatIsNotWhole) {
  const std::string whole = list(blob("a"));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto page = parse_blobs(as_bytes(whole).first(size));
    ASSERT_FALSE(page.has_value()) << size;
    EXPECT_EQ(page.error().code(), ErrorCode::kCorruption);
  }
  for (const std::string& xml : {list(blob("a"), ""), list(blob("")), list(blob("a", "-1")),
                                 list(blob("a", "")), list("<Blob><Name>x</Name></Blob>")}) {
    EXPECT_FALSE(parse_blobs(as_bytes(xml)).has_value()) << xml;
  }
}

TEST(AzureAddress, LeadsToAzureOrToAnEndpoint) {
  Address address = parse_address("azure://backups/home/pc?account=myaccount").value();
  EXPECT_EQ(address.authority() + address.path_to_container(),
            "myaccount.blob.core.windows.net/backups");
  EXPECT_EQ(address.prefix, "home/pc/");
  address = parse_address("azure://c0n?account=acc&endpoint=http://127.0.0.1:10000/acc/").value();
  EXPECT_EQ(address.authority() + address.path_to_container(), "127.0.0.1:10000/acc/c0n");
  EXPECT_EQ(address.scheme, "http");
}

TEST(AzureAddress, RefusesWhatIsNoneAndShowsNoSecret) {
  for (const char* const url : {"azure://", "azure://ab", "azure://Con_tainer", "azure://u@con",
                                "azure://con:1", "azure://con?key=SECRET", "azure://con?sig=SECRET",
                                "azure://con?account=NoGood", "azure://con?endpoint=ftp://h"}) {
    const auto address = parse_address(url);
    ASSERT_FALSE(address.has_value()) << url;
    EXPECT_EQ(address.error().code(), ErrorCode::kInvalidArgument) << url;
    EXPECT_EQ(address.error().describe().find("SECRET"), std::string::npos) << url;
  }
}

}  // namespace
}  // namespace backstay::backend::azure
