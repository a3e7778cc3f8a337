// ftp:// and ftps:// against vsftpd and ProFTPD, which tests start on loopback, and against a
// server of ours for what those do not show: cuts, lies, lost answers.
#include "backend/ftp/ftp_files.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <filesystem>

#include "backend/ftp/open_ftp.h"
#include "backend/local_backend.h"
#include "backend/retry_backend.h"
#include "backend/testing/backend_contract.h"
#include "backend/testing/store_environment.h"
#include "base/rng.h"
#include "io/file.h"
#include "io/testing/server_process.h"
#include "io/testing/temporary_folder.h"

namespace backstay::backend::ftp {
namespace {

std::vector<std::string> argv_of(const std::string& script, std::vector<std::string> more) {
  more.insert(more.begin(), {BACKSTAY_PYTHON, BACKSTAY_SOURCE_FOLDER "/tests/servers/" + script});
  return more;
}

std::string word_in(const std::string& path) {
  const auto word = io::read_file(path, 100);
  return word ? std::string(as_text(*word)) : "";
}

class FtpServer {
 public:
  explicit FtpServer(const std::string& kind, const std::string& tls = "")
      : tls_(tls), process_(argv_of("ftp.py", arguments(kind))) {
    environment_.set("BACKSTAY_FTP_USER", word_in(folder_ / "user"));
    environment_.set("BACKSTAY_FTP_PASSWORD", word_in(folder_ / "password"));
  }
  [[nodiscard]] const std::string& missing() const { return process_.missing(); }
  [[nodiscard]] std::string url(const std::string& path) const {
    const char* const scheme = tls_.empty() ? "ftp" : "ftps";
    const std::string query = tls_.empty() ? "" : "?tls=" + tls_;
    return fmt::format("{}://localhost:{}{}{}", scheme, process_.port(), path, query);
  }
  [[nodiscard]] std::string file(const std::string& name) const { return folder_ / name; }
  [[nodiscard]] StoreEnvironment& environment() { return environment_; }

 private:
  [[nodiscard]] std::vector<std::string> arguments(const std::string& kind) const {
    std::vector<std::string> all{kind, folder_.path()};
    if (!tls_.empty()) all.insert(all.end(), {"--tls", tls_});
    return all;
  }
  const std::string tls_;
  io::TemporaryFolder folder_;
  io::ServerProcess process_;
  StoreEnvironment environment_;
};

// Started once, when the first test wants them.
FtpServer& vsftpd() {
  static FtpServer server("vsftpd");
  return server;
}
FtpServer& proftpd() {
  static FtpServer server("proftpd");
  return server;
}

class FtpStore final : public ContractStore {
 public:
  explicit FtpStore(FtpServer& server) : server_(server) { open(OpenKind::kCreate); }
  Backend& backend() override { return *backend_; }
  void reopen() override { open(OpenKind::kOpen); }
  [[nodiscard]] bool creates_once() const override { return false; }

 private:
  void open(OpenKind kind) {
    auto opened =
        open_ftp(server_.url(folder_ / "a%20b/repository"), kind, server_.environment().world());
    ASSERT_TRUE(opened.has_value()) << opened.error().describe();
    backend_ = *std::move(opened);
  }
  FtpServer& server_;
  io::TemporaryFolder folder_;
  std::unique_ptr<Backend> backend_;
};

std::unique_ptr<ContractStore> store_of(FtpServer& server) {
  if (!server.missing().empty()) return nullptr;
  return std::make_unique<FtpStore>(server);
}

INSTANTIATE_TEST_SUITE_P(
    Ftp, BackendContract,
    ::testing::Values(ContractParam{"vsftpd", [] { return store_of(vsftpd()); }},
                      ContractParam{"proftpd", [] { return store_of(proftpd()); }}),
    [](const auto& store) { return store.param.what; });

// One after the other on each server that is there.
void with_servers(const std::string& tls, const std::function<void(FtpServer&)>& test) {
  int found = 0;
  for (const char* const kind : {"vsftpd", "proftpd"}) {
    SCOPED_TRACE(kind);
    FtpServer server(kind, tls);
    if (!server.missing().empty()) continue;
    ++found;
    test(server);
  }
  if (found == 0) GTEST_SKIP() << "neither vsftpd nor ProFTPD is installed";
}

void expect_encrypted(FtpServer& server) {
  const std::string url = server.url(server.file("files/repository"));
  const auto unknown = open_ftp(url, OpenKind::kCreate, server.environment().world());
  ASSERT_FALSE(unknown.has_value());
  EXPECT_EQ(unknown.error().code(), ErrorCode::kPermissionDenied) << unknown.error().describe();
  server.environment().set("BACKSTAY_CA_FILE", server.file("ca.crt"));
  const auto opened = open_ftp(url, OpenKind::kCreate, server.environment().world());
  ASSERT_TRUE(opened.has_value()) << opened.error().describe();
  Bytes big(3'000'000);
  SeededRng(1).fill(big);
  const auto large = (*opened)->put("data/3f/a", big);
  ASSERT_TRUE(large.has_value()) << large.error().describe();
  const auto small = (*opened)->put("data/3f/b", as_bytes("x"));
  ASSERT_TRUE(small.has_value()) << small.error().describe();
  const auto got = (*opened)->get("data/3f/a", big.size());
  ASSERT_TRUE(got.has_value()) << got.error().describe();
  EXPECT_TRUE(*got == big);
  EXPECT_EQ((*opened)->head("data/3f/b")->size_bytes, 1U);
  server.environment().set("BACKSTAY_FTP_PASSWORD", "hush-hush");
  const auto refused = open_ftp(url, OpenKind::kOpen, server.environment().world());
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), ErrorCode::kPermissionDenied) << refused.error().describe();
  EXPECT_EQ(refused.error().describe().find("hush-hush"), std::string::npos);
}

TEST(FtpLogin, IsEncryptedFromTheFirstByteAndTrustsCertificatesOnly) {
  with_servers("implicit", expect_encrypted);
}

TEST(FtpLogin, IsEncryptedBeforeThePasswordWhereTheUrlSaysSo) {
  with_servers("explicit", expect_encrypted);
}

TEST(FtpLogin, GoesToNoServerThatHasNoTls) {
  with_servers("", [](FtpServer& server) {
    const std::string url = server.url("/tmp") + "?tls=explicit";
    const auto refused = open_ftp(url, OpenKind::kOpen, server.environment().world());
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code(), ErrorCode::kPermissionDenied) << refused.error().describe();
    EXPECT_NE(refused.error().hint().find("cleartext"), std::string::npos);
  });
}

TEST(FtpLogin, RefusesUrlsThatMakeNoSenseBeforeItAsksAnybody) {
  StoreEnvironment environment;
  const auto code = [&](const std::string& url) {
    const auto opened = open_ftp(url, OpenKind::kOpen, environment.world());
    return opened ? ErrorCode::kInternal : opened.error().code();
  };
  EXPECT_EQ(code("ftp://backup@127.0.0.1/x"), ErrorCode::kInvalidArgument) << "no password";
  environment.set("BACKSTAY_FTP_PASSWORD", "hush-hush");
  EXPECT_EQ(code("ftp://127.0.0.1/x"), ErrorCode::kInvalidArgument) << "no user";
  EXPECT_EQ(code("ftp://backup@nas.example/x"), ErrorCode::kPermissionDenied) << "in the clear";
  EXPECT_EQ(code("ftps://backup@nas.example/x?tls=maybe"), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code("ftps://backup@nas.example/x?colour=red"), ErrorCode::kInvalidArgument);
  environment.set("BACKSTAY_FTP_PASSWORD", "hush\r\nDELE x");
  EXPECT_EQ(code("ftp://backup@127.0.0.1/x"), ErrorCode::kInvalidArgument);
  environment.set("BACKSTAY_FTP_PASSWORD", "hush");
  environment.set("BACKSTAY_FTP_CONNECTIONS", "many");
  EXPECT_EQ(code("ftp://backup@127.0.0.1/x"), ErrorCode::kInvalidArgument);
}

TEST(FtpServers, KeepFilesAsAFolderDoesBelowTheFolderOfTheLoginToo) {
  with_servers("", [](FtpServer& server) {
    const auto made =
        open_ftp(server.url("/~/home/repository"), OpenKind::kCreate, server.environment().world());
    ASSERT_TRUE(made.has_value()) << made.error().describe();
    ASSERT_TRUE((*made)->put("data/3f/a", as_bytes("from afar")).has_value());
    ASSERT_TRUE((*made)->store_time().has_value());
    const std::string root = server.file("files/home/repository");
    const auto local = LocalBackend::open(root).value();
    EXPECT_EQ(as_text(local->get("data/3f/a", 100).value()), "from afar");
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(root)) {
      names.push_back(entry.path().filename());
    }
    EXPECT_EQ(names, std::vector<std::string>{"data"});
  });
}

// ---- what real servers do not show

class FtpFaults : public ::testing::TestWithParam<bool> {
 protected:
  FtpFaults() { environment_.set("BACKSTAY_FTP_PASSWORD", "test"); }

  [[nodiscard]] std::vector<std::string> arguments() const {
    if (GetParam()) return {folder_.path()};
    return {folder_.path(), "--no-mlsd"};
  }
  [[nodiscard]] std::unique_ptr<Backend> open() {
    auto opened = open_ftp(fmt::format("ftp://backup@127.0.0.1:{}/store", server_.port()),
                           OpenKind::kCreate, environment_.world());
    EXPECT_TRUE(opened.has_value()) << opened.error().describe();
    return *std::move(opened);
  }
  // The store as the program has it; its pauses are not waited for.
  [[nodiscard]] std::unique_ptr<Backend> retried() {
    const RetryBackend::World world{clock_, rng_, [](auto) {}, {}, {}};
    return std::make_unique<RetryBackend>(open(), RetryPolicy{}, world);
  }
  std::string site(const std::string& what) {
    http::FtpClient client({.host = "127.0.0.1",
                            .port = server_.port(),
                            .tls = http::FtpTls::kNone,
                            .user = "backup",
                            .password = "test"});
    const auto said = client.commands({"SITE " + what});
    EXPECT_TRUE(said && (*said)[0].succeeded()) << what;
    return said ? (*said)[0].text : "";
  }
  [[nodiscard]] int count(std::string_view command) {
    const std::string log = site("LOG") + " ";
    const std::string wanted = fmt::format(" {} ", command);
    int found = 0;
    for (std::size_t at = log.find(wanted); at != std::string::npos;
         at = log.find(wanted, at + 1)) {
      ++found;
    }
    return found;
  }
  [[nodiscard]] Bytes big() const {
    Bytes bytes(3'000'000);
    SeededRng(9).fill(bytes);
    return bytes;
  }

  io::TemporaryFolder folder_;
  io::ServerProcess server_{argv_of("ftp_fake.py", arguments())};
  StoreEnvironment environment_;
  SystemClock clock_;
  crypto::SystemRng rng_;
};

INSTANTIATE_TEST_SUITE_P(ListedBy, FtpFaults, ::testing::Values(true, false),
                         [](const auto& by) { return by.param ? "Mlsd" : "Names"; });

TEST_P(FtpFaults, GoesOnWithAnUploadThatWasCut) {
  const auto store = open();
  const Bytes bytes = big();
  site("FAULT STOR cut_1000000");
  ASSERT_TRUE(store->put("data/3f/a", bytes).has_value());
  EXPECT_TRUE(store->get("data/3f/a", bytes.size()).value() == bytes);
  EXPECT_EQ(count("STOR"), 1);
  EXPECT_EQ(count("APPE"), 1);
}

TEST_P(FtpFaults, BeginsAnUploadAnewThatWasCutTwice) {
  const auto store = retried();
  const Bytes bytes = big();
  site("FAULT STOR cut_1000000");
  site("FAULT APPE cut_500000");
  ASSERT_TRUE(store->put("data/3f/a", bytes).has_value());
  EXPECT_TRUE(store->get("data/3f/a", bytes.size()).value() == bytes);
  EXPECT_EQ(count("STOR"), 2);
  EXPECT_EQ(count("APPE"), 1);
}

TEST_P(FtpFaults, TakesNoFolderForEmptyThatCouldNotBeListed) {
  const auto store = open();
  ASSERT_TRUE(store->put("data/a", as_bytes("x")).has_value());
  const auto list = [&](const std::string& prefix) {
    int found = 0;
    const auto done = store->list(prefix, [&](const ObjectInfo&) -> Result<void> {
      ++found;
      return {};
    });
    EXPECT_TRUE(!done || found == 1) << "it was " << found;
    return done ? ErrorCode::kInternal : done.error().code();
  };
  const std::string command = GetParam() ? "MLSD" : "NLST";
  EXPECT_EQ(list("data/"), ErrorCode::kInternal);
  site(fmt::format("FAULT {} 550", command));
  EXPECT_EQ(list("data/"), ErrorCode::kPermissionDenied);
  site(fmt::format("FAULT {} 450", command));
  EXPECT_EQ(list("data/"), ErrorCode::kUnavailable);
  if (GetParam()) return;
  site("FAULT CWD 550");
  EXPECT_EQ(list("data/"), ErrorCode::kPermissionDenied);
  site("FAULT NLST short_0");
  EXPECT_EQ(list("data/"), ErrorCode::kUnavailable);
  const auto each = [](const ObjectInfo&) -> Result<void> { return {}; };
  EXPECT_TRUE(store->list("index/", each).has_value());
  EXPECT_TRUE(store->list("index/3f/", each).has_value());
}

TEST_P(FtpFaults, BeginsAnUploadAnewThatTheServerMadeTooLongOrTooShort) {
  const Bytes bytes = big();
  const auto store = retried();
  site("FAULT STOR slow_1000000");
  ASSERT_TRUE(store->put("data/3f/a", bytes).has_value());
  EXPECT_TRUE(store->get("data/3f/a", bytes.size()).value() == bytes);
  site("FAULT STOR short_1000000");
  ASSERT_TRUE(store->put("data/3f/b", bytes).has_value());
  EXPECT_TRUE(store->get("data/3f/b", bytes.size()).value() == bytes);
}

TEST_P(FtpFaults, TakesNothingForWholeThatWasCutOnItsWayHere) {
  const auto store = open();
  const Bytes bytes = big();
  ASSERT_TRUE(store->put("data/3f/a", bytes).has_value());
  for (const char* const what : {"cut_1000000", "short_1000000"}) {
    site(fmt::format("FAULT RETR {}", what));
    EXPECT_EQ(store->get("data/3f/a", bytes.size()).error().code(), ErrorCode::kUnavailable);
    site(fmt::format("FAULT RETR {}", what));
    Bytes out(2'000'000);
    EXPECT_EQ(store->get_range("data/3f/a", 0, out).error().code(), ErrorCode::kUnavailable);
  }
  if (!GetParam()) return;
  ASSERT_TRUE(store->put("data/3f/b", as_bytes("x")).has_value());
  const auto each = [](const ObjectInfo&) -> Result<void> { return {}; };
  site("FAULT MLSD cut_10 2");
  EXPECT_FALSE(store->list("", each).has_value());
  site("FAULT MLSD short_10 2");
  EXPECT_EQ(store->list("", each).error().code(), ErrorCode::kCorruption);
}

TEST_P(FtpFaults, GoesOnAfterFailuresOfEveryKindAtEveryCommand) {
  const auto store = retried();
  int number = 0;
  for (const char* const command :
       {"STOR", "RETR", "RNFR", "RNTO", "MLST", "SIZE", "EPSV", "TYPE", "DELE"}) {
    for (const char* const what : {"drop", "lose", "421"}) {
      site(fmt::format("FAULT {} {}", command, what));
      const std::string name = fmt::format("data/3f/{}", ++number);
      const Bytes bytes(300'000, static_cast<std::uint8_t>(number));
      ASSERT_TRUE(store->put(name, bytes).has_value()) << command << what;
      ASSERT_EQ(store->get(name, bytes.size()).value(), bytes) << command << what;
      ASSERT_TRUE(store->head(name).has_value()) << command << what;
      ASSERT_TRUE(store->remove(name).has_value()) << command << what;
      ASSERT_EQ(store->head(name).error().code(), ErrorCode::kNotFound) << command << what;
    }
  }
}

TEST_P(FtpFaults, KeepsSomebodyElsesObjectWhenItsOwnAnswerIsLost) {
  const auto store = retried();
  ASSERT_TRUE(open()->put("generations/1", as_bytes("theirs")).has_value());
  site("FAULT RNTO lose");
  EXPECT_EQ(store->put("generations/1", as_bytes("my own")).error().code(),
            ErrorCode::kAlreadyExists);
  EXPECT_EQ(as_text(store->get("generations/1", 10).value()), "theirs");
  EXPECT_TRUE(store->put("generations/2", as_bytes("my own")).has_value());
}

TEST_P(FtpFaults, TellsAFullServerFromAForbiddenFolder) {
  const auto store = open();
  site("FAULT STOR 452");
  EXPECT_EQ(store->put("config", as_bytes("x")).error().code(), ErrorCode::kNoSpace);
  site("FAULT STOR 553");
  const auto forbidden = store->put("config", as_bytes("x"));
  EXPECT_EQ(forbidden.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_FALSE(forbidden.error().hint().empty());
}

}  // namespace
}  // namespace backstay::backend::ftp
