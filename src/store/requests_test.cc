// What is asked of a store server, by words: parts of objects, restic's paths, and the protocol as
// somebody who is not our client may speak it.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <future>
#include <thread>

#include "backend/served/protocol.h"
#include "crypto/hash.h"
#include "http/client.h"
#include "io/file.h"
#include "store/asked.h"
#include "store/listing.h"
#include "store/restic_requests.h"
#include "store/testing/server.h"

namespace backstay::store {
namespace {

TEST(PartOfAnObject, IsWhatTheHeaderAsksFor) {
  const auto is = [](std::string_view text, std::uint64_t begin, std::uint64_t end) {
    const auto part = parse_range(text, 10);
    return part && !part->not_there && part->begin == begin && part->end == end;
  };
  EXPECT_TRUE(is("bytes=0-0", 0, 1));
  EXPECT_TRUE(is("bytes=2-5", 2, 6));
  EXPECT_TRUE(is("bytes=7-", 7, 10));
  EXPECT_TRUE(is("bytes=7-100", 7, 10));
  EXPECT_TRUE(is("bytes=-3", 7, 10));
  EXPECT_TRUE(is("bytes=-30", 0, 10));
  for (const char* const none : {"bytes=10-", "bytes=10-20", "bytes=-0"}) {
    EXPECT_TRUE(parse_range(none, 10)->not_there) << none;
  }
  EXPECT_TRUE(parse_range("bytes=0-0", 0)->not_there);
  for (const char* const whole : {"", "bytes=", "bytes=-", "bytes=5-2", "bytes=0-1,3-4",
                                  "lines=1-2", "bytes=a-b", "bytes=99999999999999999999-"}) {
    EXPECT_EQ(parse_range(whole, 10), std::nullopt) << whole;
  }
}

TEST(ResticPaths, NameObjectsAsResticKeepsThem) {
  const std::string hex(64, 'c');
  const auto parsed = [](const std::string& path) -> ResticPath {
    return parse_restic_path(path).value();
  };
  EXPECT_EQ(parsed("/a/b/").repository, "a/b");
  EXPECT_EQ(parsed("/a/b/").type, "");
  EXPECT_EQ(parsed("/a/config").object, "config");
  EXPECT_EQ(parsed("/a/data/" + hex).object, "data/cc/" + hex);
  EXPECT_EQ(parsed("/a/locks/" + hex).object, "locks/" + hex);
  EXPECT_EQ(parsed("/a/index/").type, "index");
  EXPECT_EQ(parsed("/a/index/").object, "");
  for (const std::string& path : {"/a/data/" + hex.substr(1), std::string("/a/data/%2e%2e")}) {
    EXPECT_FALSE(parse_restic_path(path).has_value()) << path;
  }
}

struct StoreRequests : ::testing::Test {
  http::Response ask(const std::string& method, const std::string& path,
                     const std::vector<http::Header>& headers = {}, std::string_view body = {}) {
    const ByteView piece = as_bytes(body);
    const StreamedBytes bytes = streamed({&piece, 1});
    const bool sends = method == "PUT" || method == "POST";
    auto said = client.call({.method = method,
                             .url = server.base() + path,
                             .headers = headers,
                             .body = sends ? &bytes : nullptr,
                             .answer_max = 8 << 20});
    EXPECT_TRUE(said.has_value()) << said.error().describe();
    return said ? *std::move(said) : http::Response{};
  }
  static http::Header digest(std::string_view bytes) {
    return {std::string(backend::served::kDigestHeader), crypto::blake3(as_bytes(bytes)).hex()};
  }
  // What lies beside the objects.
  std::size_t aside() {
    const auto names = io::list_directory(server.folder() / "home");
    EXPECT_TRUE(names.has_value());
    return static_cast<std::size_t>(std::count_if(
        names->begin(), names->end(), [](const std::string& name) { return name[0] == '.'; }));
  }

  TestingServer server{{.restic = ResticRequests::kAnswered}};
  http::Client client{{.use_proxies = false}};
};

TEST_F(StoreRequests, NeverLeadOutOfTheFolder) {
  ASSERT_EQ(ask("POST", "/v1/home").status, 201);
  const std::vector<std::string> paths{
      "/v1/..",     "/v1/%2e%2e",      "/v1/home%2f..%2fx",
      "/v1/%2fetc", "/v1/.hidden",     "/v1/home%00",
      "/v1/",       "/v1/home%2f%2fx", "/v1/home/objects/../config"};
  for (const std::string& path : paths) {
    for (const char* const method : {"GET", "POST"}) {
      const int status = ask(method, path).status;
      EXPECT_TRUE(status == 400 || status == 501) << method << " " << path << " " << status;
    }
  }
  for (const char* const name : {"..", "../../x", "a/../b", ".tmp-x", "%2e%2e", "/etc/passwd"}) {
    const std::string path = std::string("/v1/home/objects/") + name;
    for (const char* const method : {"PUT", "GET", "DELETE"}) {
      EXPECT_EQ(ask(method, path, {digest("x")}, "x").status, 400) << method << " " << path;
    }
  }
}

TEST_F(StoreRequests, GoOnWithAnUploadWhereItWas) {
  ASSERT_EQ(ask("POST", "/v1/home").status, 201);
  const std::string id(32, 'd');
  const auto part = [&](std::string_view body, int offset, int size,
                        std::string_view whole) -> int {
    return ask("PUT", "/v1/home/objects/data/00/a",
               {digest(whole),
                {"Backstay-Upload", id},
                {"Backstay-Offset", std::to_string(offset)},
                {"Backstay-Size", std::to_string(size)}},
               body)
        .status;
  };
  EXPECT_EQ(ask("GET", "/v1/home/uploads/" + id).status, 404);
  EXPECT_EQ(part("wrong", 0, 10, "0123456789"), 400) << "the body is not the rest";
  EXPECT_EQ(part("56789", 5, 10, "0123456789"), 404) << "nothing is there to go on with";
  // As a connection that broke would leave it.
  const std::string name = crypto::blake3(as_bytes("-")).short_hex() + "-" + id;
  const ByteView half = as_bytes("01234");
  ASSERT_TRUE(io::create_file(server.folder() / "home/.tmp-upload-" + name, {&half, 1},
                              io::Durability::kUnsynced)
                  .has_value());
  EXPECT_EQ(ask("GET", "/v1/home/uploads/" + id).header("backstay-offset"), "5");
  EXPECT_EQ(part("789", 7, 10, "0123456789"), 503) << "a hole";
  EXPECT_EQ(part("56789", 5, 10, "0123456789"), 201);
  EXPECT_EQ(as_text(ask("GET", "/v1/home/objects/data/00/a").body), "0123456789");
  EXPECT_EQ(aside(), 0U);
}

TEST_F(StoreRequests, BeginAnewWhenWhatArrivedIsDamaged) {
  ASSERT_EQ(ask("POST", "/v1/home").status, 201);
  const std::string id(32, 'e');
  const std::string name = crypto::blake3(as_bytes("-")).short_hex() + "-" + id;
  const ByteView half = as_bytes("012x4");
  ASSERT_TRUE(io::create_file(server.folder() / "home/.tmp-upload-" + name, {&half, 1},
                              io::Durability::kUnsynced)
                  .has_value());
  const std::vector<http::Header> headers{digest("0123456789"),
                                          {"Backstay-Upload", id},
                                          {"Backstay-Offset", "5"},
                                          {"Backstay-Size", "10"}};
  EXPECT_EQ(ask("PUT", "/v1/home/objects/data/00/a", headers, "56789").status, 503);
  EXPECT_EQ(ask("GET", "/v1/home/uploads/" + id).status, 404);
  EXPECT_EQ(ask("HEAD", "/v1/home/objects/data/00/a").status, 404);
  EXPECT_EQ(aside(), 0U);
  const std::vector<http::Header> whole{digest("0123456789"), {"Backstay-Upload", id}};
  EXPECT_EQ(ask("PUT", "/v1/home/objects/data/00/a", whole, "0123456789").status, 201);
  EXPECT_EQ(as_text(ask("GET", "/v1/home/objects/data/00/a").body), "0123456789");
}

// A client whose connection broke comes again while the server still waits on the old one.
TEST_F(StoreRequests, OfOneUploadAtOnceTheNewerOneOwnsIt) {
  ASSERT_EQ(ask("POST", "/v1/home").status, 201);
  const std::string whole(3 << 20, 'w');
  const std::string id(32, 'f');
  const std::string path = "/v1/home/objects/data/00/a";
  const std::vector<http::Header> headers{digest(whole), {"Backstay-Upload", id}};
  std::promise<void> newer_is_done;
  std::shared_future<void> done = newer_is_done.get_future().share();
  Result<http::Response> told;
  std::jthread older([&] {
    http::Client other{{.use_proxies = false}};
    const StreamedBytes body{.size = whole.size(),
                             .piece_at = [&](std::uint64_t offset) -> Result<ByteView> {
                               const std::size_t half = whole.size() / 2;
                               if (offset < half)
                                 return as_bytes(whole).subspan(offset, half - offset);
                               done.wait();
                               return as_bytes(whole).subspan(offset);
                             }};
    told = other.call(
        {.method = "PUT", .url = server.base() + path, .headers = headers, .body = &body});
  });
  // Its first bytes are there, so that it has its turn.
  while (ask("GET", "/v1/home/uploads/" + id).status != 200) std::this_thread::yield();
  EXPECT_EQ(ask("PUT", path, headers, whole).status, 201);
  newer_is_done.set_value();
  older.join();
  ASSERT_TRUE(told.has_value()) << told.error().describe();
  EXPECT_EQ(told->status, 503) << as_text(told->body);
  EXPECT_EQ(as_text(ask("GET", path).body).size(), whole.size());
  EXPECT_EQ(crypto::blake3(ask("GET", path).body), crypto::blake3(as_bytes(whole)));
  EXPECT_EQ(aside(), 0U);
}

TEST_F(StoreRequests, AreRefusedWithoutADigestOrALength) {
  ASSERT_EQ(ask("POST", "/v1/home").status, 201);
  const std::string path = "/v1/home/objects/config";
  EXPECT_EQ(ask("PUT", path, {}, "x").status, 400);
  EXPECT_EQ(ask("PUT", path, {{"Backstay-Blake3", "abc"}}, "x").status, 400);
  EXPECT_EQ(ask("PUT", path, {digest("y")}, "x").status, 503);
  EXPECT_EQ(ask("PUT", path, {digest("x")}, "x").status, 201);
  EXPECT_EQ(ask("PUT", path, {digest("x")}, "x").status, 412);
  const std::string other = "/v1/home/objects/index/" + digest("other").value;
  EXPECT_EQ(ask("PUT", other, {digest("x")}, "x").status, 422);
}

TEST_F(StoreRequests, TellTheCodeOfARefusalWithoutABody) {
  ASSERT_EQ(ask("POST", "/v1/home").status, 201);
  EXPECT_EQ(ask("HEAD", "/v1/home/objects/config").header("backstay-code"), "not_found");
  EXPECT_EQ(ask("GET", "/v1/other").header("backstay-code"), "no_repository");
}

TEST_F(StoreRequests, ToAdoptWhatIsNoFolderDoNotStopLaterBarriers) {
  ASSERT_EQ(ask("POST", "/v1/home").status, 201);
  ASSERT_EQ(ask("PUT", "/v1/home/objects/config", {digest("x")}, "x").status, 201);
  EXPECT_EQ(ask("POST", "/v1/home/adopt?prefix=config/").status, 204);
  EXPECT_EQ(ask("PUT", "/v1/home/objects/data/00/a", {digest("x")}, "x").status, 201);
}

TEST_F(StoreRequests, SayNothingOfWhereTheFolderIs) {
  ASSERT_EQ(ask("POST", "/v1/home").status, 201);
  const http::Response missing = ask("GET", "/v1/home/objects/config");
  EXPECT_EQ(missing.status, 404);
  EXPECT_EQ(as_text(missing.body).find(server.folder().path()), std::string_view::npos)
      << as_text(missing.body);
  EXPECT_NE(as_text(missing.body).find("home/config"), std::string_view::npos);
}

TEST_F(StoreRequests, OfResticComeInBothVersions) {
  EXPECT_EQ(ask("HEAD", "/lap/config").status, 404);
  EXPECT_EQ(ask("POST", "/lap/?create=true").status, 200);
  EXPECT_EQ(ask("POST", "/lap/config", {}, "any bytes").status, 200);
  EXPECT_EQ(ask("POST", "/lap/config", {}, "others").status, 403);
  EXPECT_EQ(ask("HEAD", "/lap/config").header("content-length"), "9");
  const std::string hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
  EXPECT_EQ(ask("POST", "/lap/data/" + hex, {}, "not empty").status, 503);
  EXPECT_EQ(ask("POST", "/lap/data/" + hex, {}, "").status, 200);
  EXPECT_EQ(as_text(ask("GET", "/lap/data/").body), fmt::format("[\"{}\"]", hex));
  const http::Response sizes =
      ask("GET", "/lap/data/", {{"Accept", "application/vnd.x.restic.rest.v2"}});
  EXPECT_EQ(as_text(sizes.body), fmt::format("[{{\"name\":\"{}\",\"size\":0}}]", hex));
  EXPECT_EQ(sizes.header("content-type"), "application/vnd.x.restic.rest.v2");
  EXPECT_EQ(ask("DELETE", "/lap/data/" + hex).status, 200);
  EXPECT_EQ(ask("DELETE", "/lap/data/" + hex).status, 404);
  EXPECT_EQ(ask("GET", "/").status, 400);
  EXPECT_EQ(ask("GET", "/lap/keys/../config").status, 400);
  EXPECT_EQ(ask("PATCH", "/lap/config").status, 501);
}

TEST_F(StoreRequests, ListInOrderHoweverSmallThePages) {
  ASSERT_EQ(ask("POST", "/v1/home").status, 201);
  const std::vector<std::string> names{"a",           "a-b",   "data/00/x", "data/00/y",
                                       "data/00-1/x", "data0", "leases/1"};
  for (const std::string& name : names) {
    ASSERT_EQ(ask("PUT", "/v1/home/objects/" + name, {digest("x")}, "x").status, 201);
  }
  std::vector<std::string> seen;
  std::string after;
  for (int page = 0; page < 20; ++page) {
    const http::Response said = ask("GET", "/v1/home/list?limit=2&after=" + after);
    const std::string_view text = as_text(said.body);
    for (std::size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) {
      const std::string_view line = text.substr(at, text.find('\n', at) - at);
      if (line != ".") seen.emplace_back(line.substr(0, line.find(' ')));
    }
    if (text.ends_with("\n.\n") || text == ".\n") break;
    after = seen.back();
  }
  EXPECT_EQ(seen, names);
}

}  // namespace
}  // namespace backstay::store
