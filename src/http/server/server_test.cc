#include "http/server/server.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <atomic>
#include <thread>

#include "base/mutex.h"
#include "base/rng.h"
#include "http/client.h"
#include "io/file.h"
#include "io/stream.h"

namespace backstay::http {
namespace {

// Answers what is asked: "/echo", "/size/N", "/never-ends", "/refuse".
void answer(Exchange& exchange) {
  const std::string& path = exchange.head().path;
  const auto done = [](const Result<void>& sent) { static_cast<void>(sent.has_value()); };
  if (path == "/echo") {
    Bytes piece(100'000);
    std::size_t got = 0;
    Bytes all;
    do {
      const auto read = exchange.read(piece);
      if (!read) return;
      got = *read;
      append(all, ByteView(piece).first(got));
    } while (got > 0);
    const Header about{.name = "X-Method", .value = exchange.head().method};
    return done(exchange.send(200, {&about, 1}, all));
  }
  if (path.starts_with("/chunks/")) {
    const auto count = std::stoul(path.substr(8));
    if (!exchange.begin(200, {}, std::nullopt)) return;
    for (unsigned long i = 0; i < count; ++i) {
      if (!exchange.write(as_bytes("0123456789"))) return;
    }
    return done(exchange.end());
  }
  if (path == "/short") {
    if (!exchange.begin(200, {}, 100)) return;
    done(exchange.write(as_bytes("only this")));
    return done(exchange.end());
  }
  if (path == "/nothing") return;
  done(exchange.send(403, {}, as_bytes("no")));
}

class HttpServer : public ::testing::Test {
 protected:
  void start(ServerLimits limits = {}) {
    ServerOptions options{.limits = limits, .answer = answer};
    options.log = [this](const ServedRequest& request) {
      const MutexLock lock(mutex_);
      lines_.push_back(fmt::format("{} {} {}", request.method, request.path, request.status));
    };
    auto server = Server::listen(std::move(options));
    ASSERT_TRUE(server.has_value()) << server.error().describe();
    server_ = *std::move(server);
    running_ = std::jthread([this](const std::stop_token& stop) { server_->run(stop); });
  }
  void stop() {
    running_.request_stop();
    running_.join();
  }
  [[nodiscard]] std::string url(std::string_view path) const {
    return fmt::format("http://127.0.0.1:{}{}", server_->port(), path);
  }
  // A connection on which these bytes were sent.
  io::Fd connection(std::string_view text) {
    io::Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(server_->port());
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
    ::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL);
    return fd;
  }
  // What comes back until the server closes.
  static std::string rest_of(const io::Fd& fd) {
    std::string said;
    Bytes piece(10'000);
    for (;;) {
      const auto got = io::read_stream(fd.get(), piece, {});
      if (!got || *got == 0) return said;
      said += as_text(ByteView(piece).first(*got));
    }
  }
  std::string raw(std::string_view text, bool close_after = false) {
    const io::Fd fd = connection(text);
    if (close_after) ::shutdown(fd.get(), SHUT_WR);
    return rest_of(fd);
  }
  [[nodiscard]] std::vector<std::string> lines() {
    const MutexLock lock(mutex_);
    return lines_;
  }

  std::unique_ptr<Server> server_;
  Client client_{{.connections_max = 4, .use_proxies = false}};
  Mutex mutex_;
  std::vector<std::string> lines_ GUARDED_BY(mutex_);
  std::jthread running_;
};

TEST_F(HttpServer, AnswersManyRequestsOnOneConnection) {
  start();
  for (int i = 0; i < 20; ++i) {
    const std::string text = fmt::format("body {}", i);
    const ByteView piece = as_bytes(text);
    const StreamedBytes body = streamed({&piece, 1});
    const auto said = client_.call({.method = "PUT", .url = url("/echo?x=1"), .body = &body});
    ASSERT_TRUE(said.has_value()) << said.error().describe();
    EXPECT_EQ(as_text(said->body), text);
    EXPECT_EQ(said->header("x-method"), "PUT");
    EXPECT_TRUE(said->header("date").has_value());
  }
  EXPECT_EQ(client_.connections_made(), 1U);
  stop();
  EXPECT_EQ(lines().size(), 20U);
  EXPECT_EQ(lines()[0], "PUT /echo 200");
}

TEST_F(HttpServer, TakesAndGivesBodiesOfManySizes) {
  start();
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, std::size_t{65'536}, std::size_t{5'000'000}}) {
    Bytes bytes(size);
    SeededRng(size).fill(bytes);
    const ByteView piece = bytes;
    const StreamedBytes body = streamed({&piece, 1});
    const auto said =
        client_.call({.method = "POST", .url = url("/echo"), .body = &body, .answer_max = size});
    ASSERT_TRUE(said.has_value()) << said.error().describe();
    EXPECT_TRUE(said->body == bytes) << size;
  }
  const auto chunks = client_.call({.url = url("/chunks/10000"), .answer_max = 100'000});
  ASSERT_TRUE(chunks.has_value()) << chunks.error().describe();
  EXPECT_EQ(chunks->body.size(), 100'000U);
  EXPECT_EQ(client_.connections_made(), 1U);
}

TEST_F(HttpServer, GivesHeadWithoutABody) {
  start();
  const auto said = client_.call({.method = "HEAD", .url = url("/chunks/3")});
  ASSERT_TRUE(said.has_value());
  EXPECT_EQ(said->status, 200);
  EXPECT_TRUE(said->body.empty());
  EXPECT_TRUE(client_.call({.url = url("/chunks/3")}).has_value());
}

TEST_F(HttpServer, LetsNobodyTakeAShortAnswerForAWholeOne) {
  start();
  const auto said = client_.call({.url = url("/short")});
  ASSERT_FALSE(said.has_value());
  EXPECT_EQ(said.error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(client_.call({.url = url("/nothing")})->status, 500);
}

// Whose body is thrown away, and who is asked to come again over another connection.
TEST_F(HttpServer, ReadsOfABodyThatNobodyWantsOnlyALittleAndNothingOfAStrangers) {
  start();
  const auto answers_to = [&](std::string_view path, std::size_t body) {
    const std::string said =
        raw(fmt::format("PUT {} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{}"
                        "GET {} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
                        path, body, std::string(body, 'x'), path),
            true);
    int count = 0;
    constexpr std::string_view kStart = "HTTP/1.1 ";
    for (std::size_t at = said.find(kStart); at != std::string::npos;
         at = said.find(kStart, at + 1)) {
      ++count;
    }
    return count;
  };
  EXPECT_EQ(answers_to("/nothing", 0), 2);
  EXPECT_EQ(answers_to("/nothing", 60'000), 2);
  EXPECT_EQ(answers_to("/nothing", 300'000), 1) << "more than the connection is worth";
  EXPECT_EQ(answers_to("/refuse", 0), 2);
  EXPECT_EQ(answers_to("/refuse", 10), 1) << "nobody waits for who may not send";
}

TEST_F(HttpServer, TellsWhoStillSendsThatItIsRefused) {
  start();
  const Bytes bytes(3'000'000);
  const ByteView piece = bytes;
  const StreamedBytes body = streamed({&piece, 1});
  for (int i = 0; i < 3; ++i) {
    const auto said = client_.call({.method = "PUT", .url = url("/refuse"), .body = &body});
    ASSERT_TRUE(said.has_value()) << said.error().describe();
    EXPECT_EQ(said->status, 403);
  }
}

TEST_F(HttpServer, SaysToGoOnToWhoWaitsForThat) {
  start();
  const std::string said =
      raw("PUT /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n"
          "Connection: close\r\n\r\nok");
  EXPECT_TRUE(said.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")) << said;
  EXPECT_TRUE(said.ends_with("\r\n\r\nok")) << said;
  const std::string refused = raw(
      "PUT /refuse HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n", true);
  EXPECT_TRUE(refused.starts_with("HTTP/1.1 403 Forbidden\r\n")) << refused;
  EXPECT_NE(refused.find("Connection: close"), std::string::npos) << refused;
}

TEST_F(HttpServer, AnswersRequestsThatCameTogetherInOrder) {
  start();
  const std::string said =
      raw("PUT /echo HTTP/1.1\r\nContent-Length: 3\r\n\r\noneGET /chunks/1 HTTP/1.1\r\n\r\n"
          "PUT /echo HTTP/1.0\r\nContent-Length: 5\r\n\r\nthree");
  const std::size_t one = said.find("one");
  const std::size_t two = said.find("0123456789");
  const std::size_t three = said.find("three");
  EXPECT_LT(one, two);
  EXPECT_LT(two, three);
  EXPECT_NE(three, std::string::npos) << said;
}

TEST_F(HttpServer, RefusesWhatIsNoRequestAndCloses) {
  start();
  EXPECT_TRUE(raw("hello?\r\n\r\n").starts_with("HTTP/1.1 400 "));
  EXPECT_TRUE(raw("GET / HTTP/1.1\r\nX: " + std::string(100'000, 'x')).starts_with("HTTP/1.1 400"));
  EXPECT_EQ(raw("", true), "");
  EXPECT_EQ(raw("GET / HT", true), "");
  EXPECT_EQ(client_.call({.url = url("/chunks/1")})->status, 200) << "it goes on";
}

TEST_F(HttpServer, DropsWhoKeepsItWaiting) {
  ServerLimits limits;
  limits.head_max = std::chrono::milliseconds(30);
  limits.silence_max = std::chrono::milliseconds(30);
  start(limits);
  EXPECT_EQ(raw("GET / HTTP/1.1\r\nX: "), "");
  EXPECT_EQ(raw("PUT /echo HTTP/1.1\r\nContent-Length: 10\r\n\r\nhalf"), "");
  EXPECT_EQ(client_.call({.url = url("/chunks/1")})->status, 200);
}

TEST_F(HttpServer, AnswersOthersWhileManyHeadsComeSlowly) {
  ServerLimits limits;
  limits.threads = 2;
  start(limits);
  std::vector<io::Fd> slow;
  for (int i = 0; i < 20; ++i) slow.push_back(connection("GET / HTTP/1.1\r\nX: "));
  EXPECT_EQ(client_.call({.url = url("/chunks/1")})->status, 200);
  for (const io::Fd& one : slow) {
    constexpr std::string_view kRest = "y\r\nConnection: close\r\n\r\n";
    ASSERT_GT(::send(one.get(), kRest.data(), kRest.size(), MSG_NOSIGNAL), 0);
    EXPECT_TRUE(rest_of(one).starts_with("HTTP/1.1 403 "));
  }
}

TEST_F(HttpServer, DropsTheLongestIdleConnectionForANewOne) {
  ServerLimits limits;
  limits.connections_max = 2;
  limits.threads = 2;
  start(limits);
  for (int i = 0; i < 10; ++i) {
    Client client{{.connections_max = 1, .use_proxies = false}};
    EXPECT_EQ(client.call({.url = url("/chunks/1")})->status, 200);
    EXPECT_EQ(client_.call({.url = url("/chunks/1")})->status, 200);
  }
}

TEST_F(HttpServer, ServesMoreConnectionsThanItHasThreads) {
  ServerLimits limits;
  limits.threads = 2;
  start(limits);
  std::atomic<int> good = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 8; ++t) {
      threads.emplace_back([&] {
        Client client{{.connections_max = 1, .use_proxies = false}};
        for (int i = 0; i < 20; ++i) {
          const auto said = client.call({.url = url("/chunks/100")});
          if (said && said->body.size() == 1000) ++good;
        }
      });
    }
  }
  EXPECT_EQ(good, 160);
}

TEST_F(HttpServer, StopsAlthoughConnectionsAreOpen) {
  start();
  ASSERT_TRUE(client_.call({.url = url("/chunks/1")}).has_value());
  stop();
  EXPECT_EQ(client_.call({.url = url("/chunks/1")}).error().code(), ErrorCode::kUnavailable);
}

TEST_F(HttpServer, RefusesToListenWhereItCannot) {
  start();
  const auto code_of = [](ServerOptions options) {
    return Server::listen(std::move(options)).error().code();
  };
  EXPECT_EQ(code_of({.port = server_->port(), .answer = answer}), ErrorCode::kConflict);
  EXPECT_EQ(code_of({.address = "localhost", .answer = answer}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of({.certificate_file = "/nowhere", .key_file = "/nowhere", .answer = answer}),
            ErrorCode::kPermissionDenied);
}

TEST(ListenAddress, IsReadAsPeopleWriteIt) {
  EXPECT_EQ(parse_listen_address("8000")->address, "127.0.0.1");
  EXPECT_EQ(parse_listen_address("[::1]:80")->address, "::1");
  EXPECT_EQ(parse_listen_address("0.0.0.0:0")->port, 0);
  EXPECT_TRUE(parse_listen_address("127.9.0.1:1")->is_loopback());
  EXPECT_TRUE(parse_listen_address("[::1]:1")->is_loopback());
  EXPECT_FALSE(parse_listen_address("0.0.0.0:1")->is_loopback());
  for (const char* const text : {"", "x", "127.0.0.1", "127.0.0.1:", "host:80", "1.2.3.4:70000"}) {
    EXPECT_FALSE(parse_listen_address(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace backstay::http
