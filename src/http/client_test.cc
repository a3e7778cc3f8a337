#include "http/client.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "base/rng.h"
#include "io/testing/server_process.h"
#include "io/testing/temporary_folder.h"

namespace backstay::http {
namespace {

std::vector<std::string> fake(const std::vector<std::string>& more = {}) {
  std::vector<std::string> argv{BACKSTAY_PYTHON,
                                BACKSTAY_SOURCE_FOLDER "/tests/servers/http_fake.py"};
  argv.insert(argv.end(), more.begin(), more.end());
  return argv;
}

class HttpClient : public ::testing::Test {
 protected:
  [[nodiscard]] Result<Response> get(const std::string& path) {
    return client_.call({.url = server_.url(path)});
  }
  [[nodiscard]] Result<Response> put(const std::string& path, ByteView body) {
    const StreamedBytes bytes = streamed({&body, 1});
    return client_.call({.method = "PUT", .url = server_.url(path), .body = &bytes});
  }

  io::ServerProcess server_{fake()};
  Client client_{{.connections_max = 2, .use_proxies = false}};
};

TEST_F(HttpClient, GivesStatusHeadersAndBody) {
  const Response response = get("/status/404").value();
  EXPECT_EQ(response.status, 404);
  EXPECT_FALSE(response.succeeded());
  EXPECT_EQ(as_text(response.body), "said why");
  EXPECT_EQ(response.header("x-why"), "asked for");
  EXPECT_EQ(response.header("x-none"), std::nullopt);
}

TEST_F(HttpClient, SendsABodyOfManyPieces) {
  Bytes all(3'000'001);
  SeededRng(1).fill(all);
  const ByteView view(all);
  const std::vector<ByteView> pieces{
      view.first(1), {}, view.subspan(1, 2'000'000), view.subspan(2'000'001)};
  const StreamedBytes body = streamed(pieces);
  const Response response = client_
                                .call({.method = "PUT",
                                       .url = server_.url("/echo"),
                                       .body = &body,
                                       .answer_max = all.size()})
                                .value();
  EXPECT_TRUE(response.body == all);
}

TEST_F(HttpClient, SendsAnEmptyBody) {
  const Response response = put("/header/Content-Length", {}).value();
  EXPECT_EQ(as_text(response.body), "0");
}

TEST_F(HttpClient, AsksForTheHeadAlone) {
  const Response response =
      client_.call({.method = "HEAD", .url = server_.url("/bytes/1000")}).value();
  EXPECT_EQ(response.header("content-length"), "1000");
  EXPECT_TRUE(response.body.empty());
}

TEST_F(HttpClient, SendsHeadersAndAlsoEmptyOnes) {
  const auto sent = [&](const Header& header) {
    const Response response =
        client_.call({.url = server_.url("/header/" + header.name), .headers = {header}}).value();
    return std::string(as_text(response.body));
  };
  EXPECT_EQ(sent({"X-One", "a: b"}), "a: b");
  EXPECT_EQ(sent({"X-Empty", ""}), "");
  EXPECT_EQ(client_.call({.url = server_.url("/"), .headers = {{"X", "a\r\nY: b"}}}).error().code(),
            ErrorCode::kInvalidArgument);
}

TEST_F(HttpClient, KeepsItsConnection) {
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(get("/bytes/10").has_value());
  EXPECT_EQ(client_.connections_made(), 1U);
}

TEST_F(HttpClient, AsksAgainOverAConnectionThatHadEnded) {
  for (int i = 0; i < 5; ++i) {
    const auto response = get("/once");
    ASSERT_TRUE(response.has_value()) << response.error().describe();
  }
}

// Perhaps it was done, and only the answer lost: whoever knows what it was has to decide.
TEST_F(HttpClient, SendsNoBodyTwice) {
  int closed = 0;
  for (const std::size_t size : {0U, 1U, 1'000'000U}) {
    ASSERT_TRUE(get("/bytes/1").has_value());
    EXPECT_EQ(put("/close", Bytes(size)).error().code(), ErrorCode::kUnavailable) << size;
    EXPECT_EQ(as_text(get("/closed").value().body), std::to_string(++closed)) << size;
  }
}

TEST_F(HttpClient, OpensNoMoreConnectionsThanItMay) {
  std::atomic<int> failures = 0;
  {
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < 6; ++thread) {
      threads.emplace_back([&] {
        for (int i = 0; i < 20; ++i) {
          const auto response = get("/bytes/1000");
          if (!response || response->body.size() != 1000) ++failures;
        }
      });
    }
  }
  EXPECT_EQ(failures, 0);
  EXPECT_LE(client_.connections_made(), 2U);
}

TEST_F(HttpClient, RefusesAnswersThatAreTooLarge) {
  Request request{.url = server_.url("/bytes/1001"), .answer_max = 1000};
  EXPECT_EQ(client_.call(request).error().code(), ErrorCode::kInvalidArgument);
  request.answer_max = 1001;
  EXPECT_TRUE(client_.call(request).has_value());
}

TEST_F(HttpClient, GivesAnswersToASinkUntilItFails) {
  std::uint64_t seen = 0;
  Request request{.url = server_.url("/bytes/5000000")};
  request.sink = [&](ByteView piece) -> Result<void> {
    seen += piece.size();
    return {};
  };
  EXPECT_TRUE(client_.call(request).value().body.empty());
  EXPECT_EQ(seen, 5'000'000U);
  request.sink = [](ByteView) -> Result<void> { return fail(ErrorCode::kConflict, "enough"); };
  EXPECT_EQ(client_.call(request).error().code(), ErrorCode::kConflict);
}

TEST_F(HttpClient, EndsWithTheFailureOfItsBody) {
  const StreamedBytes body{.size = 10, .piece_at = [](std::uint64_t) -> Result<ByteView> {
                             return fail(ErrorCode::kCorruption, "cannot be read");
                           }};
  const Request request{.method = "PUT", .url = server_.url("/echo"), .body = &body};
  EXPECT_EQ(client_.call(request).error().code(), ErrorCode::kCorruption);
}

TEST_F(HttpClient, SaysUnavailableOfWhatIsCutOff) {
  EXPECT_EQ(get("/cut/100000").error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(get("/close").error().code(), ErrorCode::kUnavailable);
  EXPECT_TRUE(get("/bytes/1").has_value()) << "and goes on afterwards";
}

TEST_F(HttpClient, SaysUnavailableWhenNobodyListens) {
  const auto response = client_.call({.url = "http://127.0.0.1:1/secret?token=geheim"});
  ASSERT_FALSE(response.has_value());
  EXPECT_EQ(response.error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(response.error().describe().find("geheim"), std::string::npos);
  EXPECT_FALSE(response.error().hint().empty());
}

TEST_F(HttpClient, FollowsNoRedirect) {
  const Response response = get("/redirect").value();
  EXPECT_EQ(response.status, 302);
  EXPECT_EQ(response.header("location"), "/echo");
}

TEST_F(HttpClient, ReadsARefusalThatComesBeforeTheWholeBodyIsSent) {
  const Bytes body(8 << 20);
  const auto response = put("/refuse/1000", body);
  // The system may have thrown the answer away with the connection.
  if (!response) {
    EXPECT_EQ(response.error().code(), ErrorCode::kUnavailable);
    return;
  }
  EXPECT_EQ(response->status, 403);
}

TEST_F(HttpClient, GivesUpWhenNothingMoves) {
  const Request request{.url = server_.url("/silent"), .silence_max = std::chrono::seconds(1)};
  EXPECT_EQ(client_.call(request).error().code(), ErrorCode::kUnavailable);
}

TEST_F(HttpClient, StopsWhenItIsAskedTo) {
  std::stop_source stop;
  Client client({.use_proxies = false, .stop = stop.get_token()});
  std::jthread stopper([&] { stop.request_stop(); });
  EXPECT_EQ(client.call({.url = server_.url("/silent")}).error().code(), ErrorCode::kCancelled);
}

TEST_F(HttpClient, RefusesUrlsThatAreNone) {
  for (const char* const url : {"", "gopher://h/", "file:///etc/passwd"}) {
    const auto response = client_.call({.url = url});
    ASSERT_FALSE(response.has_value()) << url;
    EXPECT_FALSE(response.error().retryable()) << url;
  }
}

TEST(HttpClientTls, TrustsTheAuthorityThatItIsGivenAndNoOther) {
  const io::TemporaryFolder folder;
  const io::ServerProcess server(fake({"--tls", folder.path()}));
  const std::string url = fmt::format("https://127.0.0.1:{}/bytes/5", server.port());
  Client trusting({.ca_file = folder.path() + "/ca.crt", .use_proxies = false});
  EXPECT_EQ(trusting.call({.url = url}).value().status, 200);
  Client doubting({.use_proxies = false});
  const auto refused = doubting.call({.url = url});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_NE(refused.error().hint().find("BACKSTAY_CA_FILE"), std::string::npos);
}

}  // namespace
}  // namespace backstay::http
