#include "backend/sftp/sftp_backend.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "backend/local_backend.h"
#include "backend/sftp/open_sftp.h"
#include "backend/sftp/testing/sftp_server.h"
#include "backend/testing/backend_contract.h"
#include "io/file.h"

namespace backstay::backend::sftp {
namespace {

// Started once, when the first test wants it, because that takes longer than a test.
template <SftpServer::Kind kKind>
SftpServer& shared_server() {
  static SftpServer server(kKind);
  return server;
}

constexpr auto kOpenSsh = SftpServer::Kind::kOpenSsh;
constexpr auto kProFtpd = SftpServer::Kind::kProFtpd;

class SftpStore final : public ContractStore {
 public:
  explicit SftpStore(SftpServer& server) : server_(server) { open(OpenKind::kCreate); }
  Backend& backend() override { return *backend_; }
  void reopen() override { open(OpenKind::kOpen); }

 private:
  void open(OpenKind kind) {
    auto opened = open_sftp(server_.url(folder_ / "a/repository"), kind, server_.world());
    ASSERT_TRUE(opened.has_value()) << opened.error().describe();
    backend_ = *std::move(opened);
  }
  SftpServer& server_;
  io::TemporaryFolder folder_;
  std::unique_ptr<Backend> backend_;
};

// Without a server there is nothing to instantiate; the tests below say why.
std::vector<ContractParam> stores() {
  std::vector<ContractParam> found;
  if (std::filesystem::exists("/usr/sbin/sshd")) {
    found.push_back(
        {"openssh", [] { return std::make_unique<SftpStore>(shared_server<kOpenSsh>()); }});
  }
  if (std::filesystem::exists("/usr/lib/proftpd/mod_sftp.so")) {
    found.push_back(
        {"proftpd", [] { return std::make_unique<SftpStore>(shared_server<kProFtpd>()); }});
  }
  return found;
}

INSTANTIATE_TEST_SUITE_P(Sftp, BackendContract, ::testing::ValuesIn(stores()),
                         [](const auto& store) { return store.param.what; });

class Sftp : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!server.missing().empty()) GTEST_SKIP() << server.missing();
  }
  [[nodiscard]] Result<std::unique_ptr<Backend>> open(const std::string& path,
                                                      OpenKind kind = OpenKind::kOpen) {
    return open_sftp(server.url(path), kind, server.world());
  }
  [[nodiscard]] std::unique_ptr<Backend> create() {
    auto made = open(root, OpenKind::kCreate);
    EXPECT_TRUE(made.has_value()) << made.error().describe();
    return made ? *std::move(made) : nullptr;
  }
  [[nodiscard]] std::vector<std::string> in_root() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(root)) {
      names.push_back(entry.path().filename());
    }
    return names;
  }
  void make_file(const std::string& path) const {
    const ByteView text = as_bytes("x");
    ASSERT_TRUE(io::create_file(path, {&text, 1}, io::Durability::kUnsynced).has_value());
  }

  SftpServer& server = shared_server<kOpenSsh>();
  io::TemporaryFolder folder;
  std::string root = folder / "repository";
};

TEST_F(Sftp, LaysObjectsOutAsAFolderDoes) {
  const auto remote = create();
  ASSERT_NE(remote, nullptr);
  ASSERT_TRUE(remote->put("data/3f/a", as_bytes("from afar")).has_value());
  const auto local = LocalBackend::open(root).value();
  EXPECT_EQ(as_text(local->get("data/3f/a", 100).value()), "from afar");
  ASSERT_TRUE(local->put("data/3f/b", as_bytes("from here")).has_value());
  EXPECT_EQ(as_text(remote->get("data/3f/b", 100).value()), "from here");
  EXPECT_EQ(local->head("data/3f/b")->size_bytes, remote->head("data/3f/b")->size_bytes);
  EXPECT_EQ(remote->put("data/3f/b", as_bytes("again")).error().code(), ErrorCode::kAlreadyExists);
  ASSERT_TRUE(remote->remove("data/3f/b").has_value());
  EXPECT_FALSE(local->head("data/3f/b").has_value());
}

TEST_F(Sftp, LeavesNothingBesidesObjectsAndClosesThemToOthers) {
  const auto remote = create();
  ASSERT_NE(remote, nullptr);
  ASSERT_TRUE(remote->put("config", as_bytes("x")).has_value());
  EXPECT_FALSE(remote->put("config", as_bytes("y")).has_value());
  ASSERT_TRUE(remote->put("data/3f/a", as_bytes("x")).has_value());
  ASSERT_TRUE(remote->store_time().has_value());
  auto names = in_root();
  std::ranges::sort(names);
  EXPECT_EQ(names, (std::vector<std::string>{"config", "data"}));
  struct stat st {};
  ASSERT_EQ(::stat((root + "/config").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777U, 0600U);
  ASSERT_EQ(::stat((root + "/data/3f").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777U, 0700U);
}

TEST_F(Sftp, RemovesWhatDeadWritersLeftButNothingYoung) {
  ASSERT_NE(create(), nullptr);
  make_file(root + "/.tmp-old");
  make_file(root + "/.tmp-young");
  std::filesystem::last_write_time(
      root + "/.tmp-old", std::filesystem::file_time_type::clock::now() - std::chrono::hours(25));
  ASSERT_TRUE(open(root).has_value());
  EXPECT_EQ(in_root(), std::vector<std::string>{".tmp-young"});
}

TEST_F(Sftp, FindsNothingWhereNoFolderIs) {
  make_file(folder / "file");
  for (const std::string& path : {folder / "missing", folder / "file", folder / "file/below"}) {
    const auto opened = open(path);
    ASSERT_FALSE(opened.has_value()) << path;
    EXPECT_EQ(opened.error().code(), ErrorCode::kNotFound) << opened.error().describe();
    EXPECT_FALSE(opened.error().hint().empty());
  }
}

TEST_F(Sftp, NoticesThatItsFolderIsGone) {
  const auto remote = create();
  ASSERT_NE(remote, nullptr);
  ASSERT_TRUE(remote->put("data/3f/a", as_bytes("x")).has_value());
  std::filesystem::remove_all(root);
  EXPECT_EQ(remote->put("data/3f/b", as_bytes("x")).error().code(), ErrorCode::kNotFound);
  const auto each = [](const ObjectInfo&) -> Result<void> { return {}; };
  EXPECT_FALSE(remote->list("snapshots/", each).has_value()) << "this is no empty store";
  std::filesystem::create_directory(root);
  EXPECT_TRUE(remote->put("data/3f/c", as_bytes("x")).has_value()) << "folders are made again";
}

TEST_F(Sftp, TakesPathsWithBlanksAndLinksToTheRoot) {
  std::filesystem::create_directory(folder / "with blank \xc3\xa4");
  std::filesystem::create_directory_symlink(folder / "with blank \xc3\xa4", folder / "link");
  const auto made = open(folder.path() + "/with%20blank%20%C3%A4", OpenKind::kCreate);
  ASSERT_TRUE(made.has_value()) << made.error().describe();
  ASSERT_TRUE((*made)->put("config", as_bytes("x")).has_value());
  const auto by_link = open(folder / "link");
  ASSERT_TRUE(by_link.has_value()) << by_link.error().describe();
  EXPECT_EQ(as_text((*by_link)->get("config", 10).value()), "x");
}

TEST_F(Sftp, TakesNothingForAnObjectThatIsNoRegularFile) {
  const auto remote = create();
  ASSERT_NE(remote, nullptr);
  make_file(folder / "secret");
  std::filesystem::create_directory(root + "/data");
  std::filesystem::create_symlink(folder / "secret", root + "/data/link");
  std::filesystem::create_directory_symlink(folder.path(), root + "/data/out");
  EXPECT_EQ(remote->get("data/link", 10).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(remote->head("data/link").error().code(), ErrorCode::kNotFound);
  Bytes out(1);
  EXPECT_EQ(remote->get_range("data/link", 0, out).error().code(), ErrorCode::kNotFound);
  std::size_t listed = 0;
  ASSERT_TRUE(remote
                  ->list("",
                         [&](const ObjectInfo&) -> Result<void> {
                           ++listed;
                           return {};
                         })
                  .has_value());
  EXPECT_EQ(listed, 0U);
}

TEST_F(Sftp, IsAppendOnlyWhereTheFolderIs) {
  const auto remote = create();
  ASSERT_NE(remote, nullptr);
  ASSERT_TRUE(remote->put("data/a", as_bytes("x")).has_value());
  ASSERT_TRUE(remote->put("leases/a", as_bytes("x")).has_value());
  ASSERT_TRUE(remote->set_append_only(AppendOnly::kOn).has_value());
  EXPECT_TRUE(LocalBackend::open(root).value()->capabilities().append_only);
  EXPECT_TRUE(open(root).value()->capabilities().append_only);
  EXPECT_EQ(remote->remove("data/a").error().code(), ErrorCode::kPermissionDenied);
  EXPECT_TRUE(remote->remove("leases/a").has_value());
  ASSERT_TRUE(remote->set_append_only(AppendOnly::kOff).has_value());
  EXPECT_FALSE(remote->capabilities().append_only);
  EXPECT_TRUE(remote->remove("data/a").has_value());
}

TEST_F(Sftp, TakesOnlyAFolderOfItsOwnForANewRepository) {
  const auto is_free = [&](const std::string& path) {
    return check_sftp_is_free(server.url(path), server.world());
  };
  EXPECT_TRUE(is_free(root).has_value());
  ASSERT_NE(create(), nullptr);
  EXPECT_TRUE(is_free(root).has_value());
  make_file(root + "/holiday.jpg");
  EXPECT_EQ(is_free(root).error().code(), ErrorCode::kAlreadyExists);
  make_file(root + "/config");
  EXPECT_TRUE(is_free(root).has_value()) << "whoever makes one there is told of it";
}

TEST(SftpLogin, RefusesAHostThatIsNotKnownAndSaysHowToMakeItKnown) {
  SftpServer server;
  if (!server.missing().empty()) GTEST_SKIP() << server.missing();
  server.set("BACKSTAY_SFTP_KNOWN_HOSTS", server.file("no_hosts"));
  const auto opened = open_sftp(server.url("/tmp"), OpenKind::kOpen, server.world());
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_NE(opened.error().describe().find("ssh-ed25519 SHA256:"), std::string::npos)
      << opened.error().describe();
  EXPECT_NE(opened.error().hint().find("ssh-keyscan"), std::string::npos);
}

TEST(SftpLogin, RefusesAHostWhoseKeyHasChanged) {
  SftpServer server;
  if (!server.missing().empty()) GTEST_SKIP() << server.missing();
  const Bytes key = io::read_file(server.file("other_key.pub"), 1000).value();
  const std::string known =
      fmt::format("[127.0.0.1]:{} {}", server.url("").substr(17), as_text(key));
  ASSERT_TRUE(io::replace_file(server.file("forged_hosts"), as_bytes(known)).has_value());
  server.set("BACKSTAY_SFTP_KNOWN_HOSTS", server.file("forged_hosts"));
  const auto opened = open_sftp(server.url("/tmp"), OpenKind::kOpen, server.world());
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_NE(opened.error().describe().find("HAS CHANGED"), std::string::npos)
      << opened.error().describe();
}

TEST(SftpLogin, SaysWhatWasTriedWhenTheServerLetsNobodyIn) {
  SftpServer server;
  if (!server.missing().empty()) GTEST_SKIP() << server.missing();
  server.set("BACKSTAY_SFTP_KEY_FILE", server.file("other_key"));
  server.set("BACKSTAY_SFTP_PASSWORD", "not the password");
  const auto opened = open_sftp(server.url("/tmp"), OpenKind::kOpen, server.world());
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code(), ErrorCode::kPermissionDenied);
  const std::string said = opened.error().describe();
  EXPECT_NE(said.find("other_key, the password"), std::string::npos) << said;
  EXPECT_EQ(said.find("not the password"), std::string::npos) << said;
  server.set("BACKSTAY_SFTP_KEY_FILE", server.file("known_hosts"));
  EXPECT_NE(open_sftp(server.url("/tmp"), OpenKind::kOpen, server.world())
                .error()
                .describe()
                .find("no private key"),
            std::string::npos);
}

TEST(SftpLogin, LetsInByAPasswordAndByNoOther) {
  SftpServer server(kProFtpd);
  if (!server.missing().empty()) GTEST_SKIP() << server.missing();
  const io::TemporaryFolder folder;
  EXPECT_TRUE(open_sftp(server.url(folder.path()), OpenKind::kOpen, server.world()).has_value());
  server.set("BACKSTAY_SFTP_PASSWORD", "another");
  const auto refused = open_sftp(server.url(folder.path()), OpenKind::kOpen, server.world());
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), ErrorCode::kPermissionDenied) << refused.error().describe();
  server.set("BACKSTAY_SFTP_PASSWORD", "");
  EXPECT_FALSE(open_sftp(server.url(folder.path()), OpenKind::kOpen, server.world()).has_value());
}

TEST(SftpLogin, AsksAServerThatIsNotThereInVain) {
  SftpServer server;
  if (!server.missing().empty()) GTEST_SKIP() << server.missing();
  const std::string url = server.url("/tmp");
  server.stop();
  const auto opened = open_sftp(url, OpenKind::kOpen, server.world());
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code(), ErrorCode::kUnavailable) << opened.error().describe();
}

}  // namespace
}  // namespace backstay::backend::sftp
