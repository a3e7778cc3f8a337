// ServedBackend against the server that it is made for: the contract of all backends, and what the
// two agreed on.
#include "backend/served/served_backend.h"

#include <fmt/format.h>

#include "backend/open.h"
#include "backend/testing/backend_contract.h"
#include "base/hex.h"
#include "base/rng.h"
#include "base/try.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "io/file.h"
#include "store/testing/server.h"

// The suite belongs to the room backend; these are its stores here.
namespace backstay::backend {
namespace {

class ServedStore final : public ContractStore {
 public:
  explicit ServedStore(const store::RepositoryRules& rules = {}) : server_({.rules = rules}) {
    open(OpenKind::kCreate);
  }
  Backend& backend() override { return *backend_; }
  void reopen() override { open(OpenKind::kOpen); }

 private:
  void open(OpenKind kind) {
    auto opened = served::ServedBackend::open(server_.client("team/home"), rng_, kind);
    ASSERT_TRUE(opened.has_value()) << opened.error().describe();
    backend_ = *std::move(opened);
  }

  store::TestingServer server_;
  crypto::SystemRng rng_;
  std::unique_ptr<served::ServedBackend> backend_;
};

INSTANTIATE_TEST_SUITE_P(
    Served, BackendContract,
    ::testing::Values(ContractParam{"server", [] { return std::make_unique<ServedStore>(); }},
                      ContractParam{"with_quota",
                                    [] {
                                      return std::make_unique<ServedStore>(
                                          store::RepositoryRules{.quota_bytes = 1 << 30});
                                    }}),
    [](const auto& which) { return which.param.what; });

}  // namespace
}  // namespace backstay::backend

namespace backstay::store {
namespace {

using backend::code_of;
using backend::OpenKind;
using backend::served::ServedBackend;

Bytes random_bytes(std::size_t size) {
  Bytes bytes(size);
  SeededRng(size).fill(bytes);
  return bytes;
}

struct StoreServer : ::testing::Test {
  std::unique_ptr<ServedBackend> open(const TestingServer& server, const std::string& name,
                                      OpenKind kind = OpenKind::kCreate) {
    auto opened = ServedBackend::open(server.client(name), rng, kind);
    EXPECT_TRUE(opened.has_value()) << opened.error().describe();
    return opened ? *std::move(opened) : nullptr;
  }
  crypto::SystemRng rng;
};

TEST_F(StoreServer, MakesRepositoriesOnlyWhereItIsAskedTo) {
  const TestingServer server;
  EXPECT_EQ(code_of(ServedBackend::open(server.client("a/b"), rng, OpenKind::kOpen)),
            ErrorCode::kNoRepository);
  ASSERT_NE(open(server, "a/b"), nullptr);
  ASSERT_NE(open(server, "a/b", OpenKind::kRead), nullptr);
  const auto made = open(server, "other");
  ASSERT_TRUE(made->put("config", as_bytes("x")).has_value());
  EXPECT_EQ(code_of(ServedBackend::open(server.client("other/data"), rng, OpenKind::kCreate)),
            ErrorCode::kInvalidArgument);
}

TEST_F(StoreServer, PutsNoRepositoryAroundOrIntoAnother) {
  const TestingServer server;
  const auto code_for = [&](const char* name) {
    return code_of(ServedBackend::open(server.client(name), rng, OpenKind::kCreate));
  };
  // By its folder alone, before there is a config.
  ASSERT_NE(open(server, "a/b"), nullptr);
  EXPECT_EQ(code_for("a"), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_for("a/b/c"), ErrorCode::kInvalidArgument);
  EXPECT_NE(open(server, "a/bc"), nullptr);
  // By what lies on the disk.
  for (const char* const folder : {"x", "x/y", "x/y/z"}) {
    ASSERT_TRUE(io::make_directories(server.folder() / folder).has_value());
  }
  const ByteView config = as_bytes("x");
  ASSERT_TRUE(
      io::create_file(server.folder() / "x/y/config", {&config, 1}, io::Durability::kUnsynced)
          .has_value());
  EXPECT_EQ(code_for("x"), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_for("x/y/z"), ErrorCode::kInvalidArgument);
  EXPECT_NE(open(server, "x/y"), nullptr);
}

TEST_F(StoreServer, WritesWhatAFolderHas) {
  const TestingServer server;
  ASSERT_TRUE(open(server, "home")->put("data/3f/x", as_bytes("bytes")).has_value());
  const Bytes there = io::read_file(server.folder() / "home/data/3f/x", 100).value();
  EXPECT_EQ(as_text(there), "bytes");
}

TEST_F(StoreServer, RefusesAnObjectThatIsNamedByOtherBytes) {
  const TestingServer server;
  const auto store = open(server, "home");
  const Bytes bytes = random_bytes(3'000'000);
  const std::string digest = crypto::blake3(bytes).hex();
  const std::string wrong = crypto::blake3(as_bytes("other")).hex();
  for (const std::string& name : {"data/" + wrong.substr(0, 2) + "/" + wrong, "index/" + wrong}) {
    // The client believes the name; the server looks.
    EXPECT_EQ(code_of(store->put(name, bytes)), ErrorCode::kUnavailable) << name;
    EXPECT_EQ(code_of(store->put(name, as_bytes("small"))), ErrorCode::kUnavailable) << name;
    EXPECT_EQ(code_of(store->head(name)), ErrorCode::kNotFound);
  }
  EXPECT_TRUE(store->put("data/" + digest.substr(0, 2) + "/" + digest, bytes).has_value());
  const auto names = io::list_directory(server.folder() / "home");
  ASSERT_TRUE(names.has_value());
  for (const std::string& left : *names) {
    EXPECT_FALSE(left.starts_with('.')) << left;
  }
}

TEST_F(StoreServer, ListsInPagesWhatIsThere) {
  const TestingServer server;
  const auto store = open(server, "home");
  constexpr std::size_t kCount = 6000;  // more than a page
  for (const char* const folder : {"data", "data/00", "data/00-x", "data/01"}) {
    ASSERT_TRUE(io::make_directories(server.folder() / "home/" + folder).has_value());
  }
  for (std::size_t i = 0; i < kCount; ++i) {
    const std::string path = fmt::format("{}/home/data/{}/{:05}", server.folder().path(),
                                         std::array{"00", "00-x", "01"}[i % 3], i / 3);
    const ByteView piece = as_bytes("x");
    ASSERT_TRUE(io::create_file(path, {&piece, 1}, io::Durability::kUnsynced).has_value());
  }
  std::set<std::string> names;
  ASSERT_TRUE(store
                  ->list("data/",
                         [&](const backend::ObjectInfo& info) -> Result<void> {
                           EXPECT_TRUE(names.insert(info.name).second) << info.name;
                           return {};
                         })
                  .has_value());
  EXPECT_EQ(names.size(), kCount);
}

TEST_F(StoreServer, KeepsToItsQuota) {
  const TestingServer server({.rules = {.quota_bytes = 100'000}});
  const auto store = open(server, "home");
  const Bytes bytes = random_bytes(40'000);
  ASSERT_TRUE(store->put("data/00/a", bytes).has_value());
  ASSERT_TRUE(store->put("data/00/b", bytes).has_value());
  const auto full = store->put("data/00/c", bytes);
  EXPECT_EQ(code_of(full), ErrorCode::kNoSpace);
  EXPECT_NE(full.error().describe().find("quota"), std::string::npos);
  const backend::Space space = store->space().value();
  EXPECT_EQ(space.total_bytes, 100'000U);
  EXPECT_EQ(space.free_bytes, 20'000U);
  EXPECT_EQ(code_of(store->put("data/00/d", random_bytes(2'000'000))), ErrorCode::kNoSpace);
  ASSERT_TRUE(store->remove("data/00/a").has_value());
  EXPECT_TRUE(store->put("data/00/c", bytes).has_value());
}

TEST_F(StoreServer, LetsOnlyLeasesGoWhereItIsAppendOnly) {
  const TestingServer server({.rules = {.append_only = true}});
  const auto store = open(server, "home");
  EXPECT_TRUE(store->capabilities().append_only);
  EXPECT_TRUE(store->capabilities().lock_by_store);
  ASSERT_TRUE(store->put("data/00/a", as_bytes("x")).has_value());
  ASSERT_TRUE(store->put("leases/a", as_bytes("x")).has_value());
  EXPECT_EQ(code_of(store->remove("data/00/a")), ErrorCode::kPermissionDenied);
  EXPECT_TRUE(store->remove("leases/a").has_value());
  EXPECT_EQ(code_of(store->set_append_only(backend::AppendOnly::kOff)),
            ErrorCode::kPermissionDenied);
  EXPECT_EQ(store->keeping()->by_store, 1U);
}

// ---- tokens

struct ServerWithTokens : StoreServer {
  ServerWithTokens() {
    all = add("all", {.read = true, .create = true, .remove = true}, {"*"});
    reader = add("reader", {.read = true}, {"team/*"});
    writer = add("writer", {.create = true}, {"team/home"});
    server.emplace(ServiceOptions{.tokens_file = file});
  }
  std::string add(const std::string& name, const Rights& rights,
                  const std::vector<std::string>& paths) {
    auto made = add_token(file, name, rights, paths, rng);
    EXPECT_TRUE(made.has_value()) << made.error().describe();
    return made ? made->secret : "";
  }
  [[nodiscard]] Result<std::unique_ptr<ServedBackend>> open_as(const std::string& token,
                                                               const std::string& name,
                                                               OpenKind kind = OpenKind::kOpen) {
    return ServedBackend::open(server->client(name, token), rng, kind);
  }

  io::TemporaryFolder folder;
  std::string file = folder / "tokens";
  std::string all;
  std::string reader;
  std::string writer;
  std::optional<TestingServer> server;
};

TEST_F(ServerWithTokens, AreNeededAndMustBeRight) {
  for (const std::string& token : {std::string(), std::string("wrong"), all + "x"}) {
    const auto opened = open_as(token, "team/home", OpenKind::kCreate);
    EXPECT_EQ(code_of(opened), ErrorCode::kPermissionDenied);
    EXPECT_NE(opened.error().hint().find("BACKSTAY_STORE_TOKEN"), std::string::npos);
  }
}

TEST_F(ServerWithTokens, GiveEachWhatItMayAndNoMore) {
  ASSERT_TRUE(open_as(all, "other", OpenKind::kCreate).has_value());
  EXPECT_EQ(code_of(open_as(reader, "team/new", OpenKind::kCreate)), ErrorCode::kPermissionDenied);
  const auto own = open_as(writer, "team/home", OpenKind::kCreate).value();
  ASSERT_TRUE(own->put("data/00/a", as_bytes("x")).has_value());
  ASSERT_TRUE(own->put("leases/a", as_bytes("x")).has_value());
  EXPECT_EQ(code_of(own->get("data/00/a", 10)), ErrorCode::kPermissionDenied);
  EXPECT_EQ(code_of(own->remove("data/00/a")), ErrorCode::kPermissionDenied);
  EXPECT_TRUE(own->remove("leases/a").has_value());
  const auto other = open_as(reader, "team/home").value();
  EXPECT_TRUE(other->get("data/00/a", 10).has_value());
  EXPECT_EQ(code_of(other->put("data/00/b", as_bytes("x"))), ErrorCode::kPermissionDenied);
  EXPECT_EQ(code_of(other->remove("leases/a")), ErrorCode::kPermissionDenied);
  EXPECT_EQ(code_of(other->adopt("data/00/a")), ErrorCode::kPermissionDenied);
  EXPECT_EQ(code_of(other->adopt_names("data/")), ErrorCode::kPermissionDenied);
  for (const std::string& token : {reader, writer}) {
    EXPECT_EQ(code_of(open_as(token, "other")), ErrorCode::kPermissionDenied);
    EXPECT_EQ(code_of(open_as(token, "team")), ErrorCode::kPermissionDenied);
  }
}

TEST_F(ServerWithTokens, ThatCannotBeReadForNowAreNoLostRepository) {
  const auto store = open_as(all, "team/home", OpenKind::kCreate).value();
  ASSERT_TRUE(store->put("leases/a", as_bytes("x")).has_value());
  ASSERT_TRUE(io::remove_file(file).has_value());
  const auto head = store->head("leases/a");
  EXPECT_EQ(code_of(head), ErrorCode::kUnavailable);
  EXPECT_EQ(head.error().describe().find(folder.path()), std::string::npos);
}

TEST_F(ServerWithTokens, AreRefusedFromTheMomentTheyAreRemoved) {
  const auto store = open_as(all, "team/home", OpenKind::kCreate).value();
  ASSERT_TRUE(remove_token(file, "all").has_value());
  EXPECT_EQ(code_of(store->store_time()), ErrorCode::kPermissionDenied);
  EXPECT_TRUE(open_as(writer, "team/home").has_value());
}

}  // namespace
}  // namespace backstay::store
