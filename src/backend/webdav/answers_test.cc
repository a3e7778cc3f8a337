#include "backend/webdav/answers.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace backstay::backend::webdav {
namespace {

using remote::Entry;
using remote::Kind;

std::string response(std::string_view href, std::string_view properties,
                     std::string_view status = "HTTP/1.1 200 OK") {
  return fmt::format(
      "<D:response><D:href>{}</D:href><D:propstat><D:prop>{}</D:prop>"
      "<D:status>{}</D:status></D:propstat></D:response>",
      href, properties, status);
}

std::string folder(std::string_view href) {
  return response(href, "<D:resourcetype><D:collection/></D:resourcetype>");
}

std::string file(std::string_view href, std::string_view size = "3") {
  return response(href, fmt::format("<x:resourcetype/><x:getcontentlength>{}</x:getcontentlength>"
                                    "<x:getlastmodified>Sun, 06 Nov 1994 08:49:37 GMT"
                                    "</x:getlastmodified>",
                                    size));
}

std::string multistatus(std::string_view inside) {
  return fmt::format("<?xml version=\"1.0\"?>\n<D:multistatus xmlns:D=\"DAV:\">{}</D:multistatus>",
                     inside);
}

Result<std::vector<Entry>> parse(std::string_view inside, std::string_view path = "/dav/a b") {
  const std::string xml = multistatus(inside);
  return parse_multistatus(as_bytes(xml), path);
}

ErrorCode refusal(std::string_view inside) {
  const auto entries = parse(inside);
  EXPECT_FALSE(entries.has_value()) << inside;
  return entries ? ErrorCode::kInternal : entries.error().code();
}

TEST(WebdavAnswers, RefusesAnEntryWithoutItsKind) {
  EXPECT_EQ(refusal(folder("/dav/a%20b/") +
                    response("/dav/a%20b/x", "<D:getcontentlength>3</D:getcontentlength>")),
            ErrorCode::kCorruption);
}

TEST(WebdavAnswers, ListsAFolderWhateverTheOrderAndThePrefix) {
  const auto entries =
      parse(file("http://host:80/dav/a%20b/config") + folder("/dav/a%20b/") +
            folder("/dav/a%20b/data/") + file("/dav/a b/%63onfig2", "18446744073709551615"))
          .value();
  ASSERT_EQ(entries.size(), 4U);
  EXPECT_EQ(entries[0].kind, Kind::kFolder);
  EXPECT_EQ(entries[0].name, "");
  EXPECT_EQ(entries[1].name, "config");
  EXPECT_EQ(entries[1].kind, Kind::kFile);
  EXPECT_EQ(entries[1].size_bytes, 3U);
  EXPECT_EQ(entries[1].modified, (Timestamp{784111777, 0}));
  EXPECT_EQ(entries[2].name, "data");
  EXPECT_EQ(entries[2].kind, Kind::kFolder);
  EXPECT_EQ(entries[3].name, "config2");
}

TEST(WebdavAnswers, ReadsWhatServersSayThatLeaveSomethingOut) {
  const auto entries = parse(
                           "<response><href> /dav/a%20b </href>"
                           "<propstat><prop><resourcetype><collection/></resourcetype></prop>"
                           "<status>HTTP/1.1 200 OK</status></propstat>"
                           "<propstat><prop><getcontentlength/></prop>"
                           "<status>HTTP/1.1 404 Not Found</status></propstat></response>")
                           .value();
  ASSERT_EQ(entries.size(), 1U);
  EXPECT_EQ(entries[0].kind, Kind::kFolder);
  EXPECT_FALSE(entries[0].size_bytes.has_value());
}

TEST(WebdavAnswers, RefusesAListThatIsNotWhole) {
  const std::string whole = multistatus(folder("/x") + file("/x/a"));
  ASSERT_TRUE(parse_multistatus(as_bytes(whole), "/x").has_value());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto entries = parse_multistatus(as_bytes(whole).first(size), "/x");
    ASSERT_FALSE(entries.has_value()) << size;
    EXPECT_EQ(entries.error().code(), ErrorCode::kCorruption);
  }
}

TEST(WebdavAnswers, RefusesWhatMakesNoSense) {
  EXPECT_EQ(refusal(""), ErrorCode::kCorruption);
  EXPECT_EQ(refusal(file("/dav/a%20b/x")), ErrorCode::kCorruption) << "nothing of the folder";
  EXPECT_EQ(refusal(folder("/dav/a%20b") + folder("/dav/a%20b/")), ErrorCode::kCorruption);
  EXPECT_EQ(refusal(file("/dav/a%20b", "-1")), ErrorCode::kCorruption);
  EXPECT_EQ(refusal(file("/dav/a%20b", "")), ErrorCode::kCorruption);
  EXPECT_EQ(refusal(file("dav/a%20b")), ErrorCode::kCorruption);
  EXPECT_EQ(refusal(file("/dav/a%2")), ErrorCode::kCorruption);
  EXPECT_EQ(refusal(response("/dav/a%20b", "", "HTTP/1.1 403 Forbidden")), ErrorCode::kCorruption);
  for (const char* const elsewhere :
       {"/dav", "/dav/a%20bc", "/dav/a%20b/x/y", "/other", "/dav/a%20b/../x", "/dav/a%20b/.."}) {
    const auto entries = parse(folder("/dav/a%20b/") + file(elsewhere));
    if (std::string_view(elsewhere).ends_with("/..")) {
      EXPECT_TRUE(entries.has_value()) << "that is no name of an object";
    } else {
      ASSERT_FALSE(entries.has_value()) << elsewhere;
      EXPECT_EQ(entries.error().code(), ErrorCode::kUnsupported) << elsewhere;
    }
  }
}

TEST(WebdavAnswers, ListsTenThousandFiles) {
  std::string inside = folder("/dav/a%20b/");
  for (int i = 0; i < 10'000; ++i) inside += file(fmt::format("/dav/a%20b/{}", i));
  EXPECT_EQ(parse(inside)->size(), 10'001U);
  EXPECT_EQ(parse_multistatus(as_bytes(multistatus(folder("/") + file("/a"))), "/")->size(), 2U);
}

}  // namespace
}  // namespace backstay::backend::webdav
