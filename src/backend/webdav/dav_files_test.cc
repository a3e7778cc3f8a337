// webdav:// against Apache and nginx, which tests start on loopback, and against a server in
// between that makes their answers go wrong.
#include "backend/webdav/dav_files.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <thread>

#include "backend/local_backend.h"
#include "backend/probe.h"
#include "backend/retry_backend.h"
#include "backend/testing/backend_contract.h"
#include "backend/testing/store_environment.h"
#include "backend/webdav/open_webdav.h"
#include "io/file.h"
#include "io/testing/server_process.h"
#include "io/testing/temporary_folder.h"

namespace backstay::backend::webdav {
namespace {

std::vector<std::string> server_argv(const std::string& script,
                                     const std::vector<std::string>& more) {
  std::vector<std::string> argv{BACKSTAY_PYTHON, BACKSTAY_SOURCE_FOLDER "/tests/servers/" + script};
  argv.insert(argv.end(), more.begin(), more.end());
  return argv;
}

class DavServer {
 public:
  explicit DavServer(const std::string& kind, const std::vector<std::string>& more = {})
      : process_(server_argv("webdav.py", arguments(kind, more))) {
    if (const auto word = io::read_file(folder_ / "password", 100)) {
      environment_.set("BACKSTAY_WEBDAV_PASSWORD", std::string(as_text(*word)));
    }
  }
  [[nodiscard]] const std::string& missing() const { return process_.missing(); }
  [[nodiscard]] std::uint16_t port() const { return process_.port(); }
  [[nodiscard]] std::string url(const std::string& path, std::uint16_t port = 0) const {
    return fmt::format("webdav://backup@127.0.0.1:{}/dav/{}", port == 0 ? this->port() : port,
                       path);
  }
  [[nodiscard]] std::string file(const std::string& name) const { return folder_ / name; }
  [[nodiscard]] StoreEnvironment& environment() { return environment_; }

 private:
  [[nodiscard]] std::vector<std::string> arguments(const std::string& kind,
                                                   std::vector<std::string> more) const {
    more.insert(more.begin(), {kind, folder_.path()});
    return more;
  }
  io::TemporaryFolder folder_;
  io::ServerProcess process_;
  StoreEnvironment environment_;
};

// Started once, when the first test wants them.
DavServer& apache() {
  static DavServer server("apache");
  return server;
}
DavServer& nginx() {
  static DavServer server("nginx");
  return server;
}

class DavStore final : public ContractStore {
 public:
  explicit DavStore(DavServer& server) : server_(server) {
    static std::atomic<int> number = 0;
    path_ = fmt::format("above%20{}/repository", ++number);
    open(OpenKind::kCreate);
  }
  Backend& backend() override { return *backend_; }
  void reopen() override { open(OpenKind::kOpen); }
  [[nodiscard]] bool creates_once() const override { return false; }

 private:
  void open(OpenKind kind) {
    auto opened = open_webdav(server_.url(path_), kind, server_.environment().world());
    ASSERT_TRUE(opened.has_value()) << opened.error().describe();
    backend_ = *std::move(opened);
  }
  DavServer& server_;
  std::string path_;
  std::unique_ptr<Backend> backend_;
};

std::unique_ptr<ContractStore> store_of(DavServer& server) {
  if (!server.missing().empty()) return nullptr;
  return std::make_unique<DavStore>(server);
}

INSTANTIATE_TEST_SUITE_P(
    Webdav, BackendContract,
    ::testing::Values(ContractParam{"apache", [] { return store_of(apache()); }},
                      ContractParam{"nginx", [] { return store_of(nginx()); }}),
    [](const auto& store) { return store.param.what; });

// A repository on Apache, with a server in between where a test wants one.
class Webdav : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!server.missing().empty()) GTEST_SKIP() << server.missing();
    static std::atomic<int> number = 0;
    name = fmt::format("own-{}", ++number);
  }
  [[nodiscard]] Result<std::unique_ptr<Backend>> open(OpenKind kind = OpenKind::kCreate) {
    return open_webdav(server.url(name, between ? between->port() : 0), kind,
                       server.environment().world());
  }
  // The store as the program has it; its pauses are not waited for.
  [[nodiscard]] std::unique_ptr<Backend> retried() {
    auto made = open();
    EXPECT_TRUE(made.has_value()) << made.error().describe();
    const RetryBackend::World world{clock, rng, [](auto) {}, {}, {}};
    return std::make_unique<RetryBackend>(*std::move(made), RetryPolicy{}, world);
  }
  void stand_between() {
    between.emplace(server_argv("http_faults.py", {"--to", std::to_string(server.port())}));
  }
  void fault(const std::string& json) {
    http::Client client{{.use_proxies = false}};
    const ByteView piece = as_bytes(json);
    const StreamedBytes body = streamed({&piece, 1});
    const auto told =
        client.call({.method = "POST", .url = between->url("/_fault"), .body = &body});
    EXPECT_TRUE(told && told->succeeded()) << json;
  }
  [[nodiscard]] std::vector<std::string> in_root() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(server.file("root/dav/" + name))) {
      names.push_back(entry.path().filename());
    }
    std::ranges::sort(names);
    return names;
  }

  DavServer& server = apache();
  std::string name;
  SystemClock clock;
  crypto::SystemRng rng;
  std::optional<io::ServerProcess> between;
};

TEST_F(Webdav, LaysObjectsOutAsAFolderDoesAndLeavesNothingBesides) {
  const auto remote = open().value();
  ASSERT_TRUE(remote->put("data/3f/a", as_bytes("from afar")).has_value());
  ASSERT_TRUE(remote->put("config", as_bytes("x")).has_value());
  EXPECT_FALSE(remote->put("config", as_bytes("y")).has_value());
  ASSERT_TRUE(remote->store_time().has_value());
  EXPECT_EQ(in_root(), (std::vector<std::string>{"config", "data"}));
  const Bytes bytes = io::read_file(server.file("root/dav/" + name + "/data/3f/a"), 100).value();
  EXPECT_EQ(as_text(bytes), "from afar");
}

TEST_F(Webdav, RefusesWhoHasNoGoodPasswordAndShowsNone) {
  ASSERT_TRUE(open().has_value());
  StoreEnvironment wrong;
  wrong.set("BACKSTAY_WEBDAV_PASSWORD", "hush-hush");
  const auto refused = open_webdav(server.url(name), OpenKind::kOpen, wrong.world());
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_EQ(refused.error().describe().find("hush-hush"), std::string::npos);
  EXPECT_NE(refused.error().hint().find("BACKSTAY_WEBDAV_PASSWORD"), std::string::npos);
  const std::string nobody = fmt::format("webdav://127.0.0.1:{}/dav/x", server.port());
  const auto unnamed = open_webdav(nobody, OpenKind::kOpen, StoreEnvironment().world());
  EXPECT_NE(unnamed.error().describe().find("wants a user"), std::string::npos);
  EXPECT_EQ(open_webdav(nobody, OpenKind::kOpen, wrong.world()).error().code(),
            ErrorCode::kInvalidArgument)
      << "a password of nobody";
}

TEST_F(Webdav, SendsNoPasswordUnencryptedOverANetwork) {
  const auto refused =
      open_webdav("webdav://backup@nas.example/dav", OpenKind::kOpen, server.environment().world());
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(refused.error().hint().find("webdavs://"), std::string::npos);
  EXPECT_EQ(open_webdav("webdav://h/x?colour=red", OpenKind::kOpen, StoreEnvironment().world())
                .error()
                .code(),
            ErrorCode::kInvalidArgument);
}

TEST_F(Webdav, FindsNothingWhereNoFolderIs) {
  EXPECT_EQ(open(OpenKind::kOpen).error().code(), ErrorCode::kNotFound);
  ASSERT_TRUE(open().value()->put("config", as_bytes("x")).has_value());
  name += "/config";
  EXPECT_EQ(open(OpenKind::kOpen).error().code(), ErrorCode::kNotFound);
  EXPECT_TRUE(check_webdav_is_free(server.url("own-none"), server.environment().world()));
}

TEST_F(Webdav, FollowsNobodyElsewhere) {
  stand_between();
  const auto store = open().value();
  fault(R"({"do": "elsewhere", "method": "GET"})");
  const auto got = store->get("config", 10);
  ASSERT_FALSE(got.has_value());
  EXPECT_EQ(got.error().code(), ErrorCode::kInvalidArgument) << got.error().describe();
  EXPECT_NE(got.error().hint().find("sends elsewhere"), std::string::npos);
}

TEST_F(Webdav, GoesOnAfterFailuresOfEveryKindAtEveryRequest) {
  stand_between();
  const auto store = retried();
  int number = 0;
  for (const char* const what : {"500", "503", "drop", "lose", "cut"}) {
    for (int skip = 0; skip < 9; ++skip) {
      fault(fmt::format(R"({{"do": "{}", "skip": {}}})", what, skip));
      const std::string object = fmt::format("data/3f/{}", ++number);
      const Bytes big(400'000, static_cast<std::uint8_t>(number));
      ASSERT_TRUE(store->put(object, big).has_value()) << what << skip;
      ASSERT_EQ(store->get(object, big.size()).value(), big) << what << skip;
      Bytes part(1000);
      ASSERT_TRUE(store->get_range(object, 5, part).has_value()) << what << skip;
      ASSERT_TRUE(store->head(object).has_value()) << what << skip;
      if (number % 2 == 0) {
        ASSERT_TRUE(store->remove(object).has_value()) << what << skip;
      }
    }
  }
  int listed = 0;
  ASSERT_TRUE(store
                  ->list("data/",
                         [&](const ObjectInfo&) -> Result<void> {
                           ++listed;
                           return {};
                         })
                  .has_value());
  EXPECT_EQ(listed, number - number / 2);
}

TEST_F(Webdav, KeepsSomebodyElsesObjectWhenItsOwnAnswerIsLost) {
  stand_between();
  const auto store = retried();
  ASSERT_TRUE(open().value()->put("generations/1", as_bytes("theirs")).has_value());
  fault(R"({"do": "lose", "method": "MOVE"})");
  EXPECT_EQ(store->put("generations/1", as_bytes("my own")).error().code(),
            ErrorCode::kAlreadyExists);
  EXPECT_EQ(as_text(store->get("generations/1", 10).value()), "theirs");
  fault(R"({"do": "lose", "method": "MOVE"})");
  EXPECT_TRUE(store->put("generations/2", as_bytes("my own")).has_value());
}

TEST_F(Webdav, TakesNoAnswerOfAWrongLengthForAnObject) {
  stand_between();
  const auto store = open().value();
  ASSERT_TRUE(store->put("config", as_bytes("0123456789")).has_value());
  fault(R"({"do": "short", "method": "GET"})");
  Bytes out(4);
  EXPECT_EQ(store->get_range("config", 2, out).error().code(), ErrorCode::kCorruption);
  fault(R"({"do": "short", "method": "PROPFIND"})");
  const auto each = [](const ObjectInfo&) -> Result<void> { return {}; };
  EXPECT_EQ(store->list("", each).error().code(), ErrorCode::kCorruption);
}

TEST_F(Webdav, TakesNoFolderForEmptyThatCouldNotBeListed) {
  stand_between();
  const auto store = open().value();
  ASSERT_TRUE(store->put("data/a", as_bytes("x")).has_value());
  const auto each = [](const ObjectInfo&) -> Result<void> { return {}; };
  fault(R"({"do": "400", "method": "PROPFIND"})");
  const auto listed = store->list("data/", each);
  ASSERT_FALSE(listed.has_value());
  EXPECT_EQ(listed.error().code(), ErrorCode::kInvalidArgument);
}

TEST_F(Webdav, TellsAFullServerFromOneThatFails) {
  stand_between();
  const auto store = open().value();
  fault(R"({"do": "507", "method": "PUT"})");
  EXPECT_EQ(store->put("config", as_bytes("x")).error().code(), ErrorCode::kNoSpace);
  fault(R"({"do": "413", "method": "PUT"})");
  const auto large = store->put("config", as_bytes("x"));
  EXPECT_EQ(large.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_NE(large.error().hint().find("client_max_body_size"), std::string::npos);
}

// Apache heeds If-Match, but has no strong ETag for what was changed a moment ago. nginx does not
// know the header.
TEST_F(Webdav, ReplacesByTheETagAndIsNotTakenForAStoreThatSwapsWhereTheServerOverwrites) {
  const auto store = open().value();
  ASSERT_TRUE(store->put("leases/a", as_bytes("first")).has_value());
  std::filesystem::last_write_time(
      server.file("root/dav/" + name + "/leases/a"),
      std::filesystem::file_time_type::clock::now() - std::chrono::hours(1));
  const std::string mark = store->mark("leases/a").value();
  ASSERT_TRUE(store->replace("leases/a", mark, as_bytes("second, longer")).has_value());
  EXPECT_EQ(store->replace("leases/a", mark, as_bytes("x")).error().code(), ErrorCode::kConflict);
  if (!nginx().missing().empty()) GTEST_SKIP() << nginx().missing();
  const auto opened = [&] {
    return open_webdav(nginx().url(name), OpenKind::kCreate, nginx().environment().world()).value();
  };
  const auto one = opened();
  const auto other = opened();
  EXPECT_EQ(probe(*one, *other, clock, rng).value().swaps, Answer::kNo);
}

TEST(WebdavServers, NginxWithoutPropfindIsRefusedWithWordsOfWhatIsMissing) {
  DavServer plain("nginx-plain");
  if (!plain.missing().empty()) GTEST_SKIP() << plain.missing();
  const auto opened = open_webdav(plain.url("x"), OpenKind::kCreate, plain.environment().world());
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code(), ErrorCode::kUnsupported);
  EXPECT_NE(opened.error().hint().find("dav-ext"), std::string::npos);
}

TEST(WebdavServers, AreTrustedByTheirCertificatesOnly) {
  DavServer secure("apache", {"--tls"});
  if (!secure.missing().empty()) GTEST_SKIP() << secure.missing();
  const std::string url = fmt::format("webdavs://backup@localhost:{}/dav/x", secure.port());
  const auto unknown = open_webdav(url, OpenKind::kCreate, secure.environment().world());
  ASSERT_FALSE(unknown.has_value());
  EXPECT_EQ(unknown.error().code(), ErrorCode::kPermissionDenied);
  secure.environment().set("BACKSTAY_CA_FILE", secure.file("ca.crt"));
  const auto opened = open_webdav(url, OpenKind::kCreate, secure.environment().world());
  ASSERT_TRUE(opened.has_value()) << opened.error().describe();
  EXPECT_TRUE((*opened)->put("data/3f/a", as_bytes("x")).has_value());
}

}  // namespace
}  // namespace backstay::backend::webdav
