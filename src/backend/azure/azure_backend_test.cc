// azure:// against Azurite, which tests start on loopback where it is installed, and against a
// server in between that makes its answers go wrong.
#include "backend/azure/azure_backend.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>

#include "backend/azure/open_azure.h"
#include "backend/probe.h"
#include "backend/retry_backend.h"
#include "backend/testing/backend_contract.h"
#include "backend/testing/store_environment.h"
#include "base/base64.h"
#include "base/rng.h"
#include "base/try.h"
#include "io/file.h"
#include "io/testing/server_process.h"
#include "io/testing/temporary_folder.h"

namespace backstay::backend::azure {
namespace {

class Azurite {
 public:
  Azurite()
      : process_(
            {BACKSTAY_PYTHON, BACKSTAY_SOURCE_FOLDER "/tests/servers/azurite.py", folder_.path()}) {
    if (const auto key = io::read_file(folder_ / "key", 200)) {
      key_ = as_text(*key);
      environment_.set("AZURE_STORAGE_KEY", key_);
    }
  }
  [[nodiscard]] const std::string& missing() const { return process_.missing(); }
  [[nodiscard]] std::uint16_t port() const { return process_.port(); }
  [[nodiscard]] std::string url(const std::string& container, std::uint16_t port = 0) const {
    return fmt::format(
        "azure://{}/a%20prefix/home?account=devstoreaccount1&endpoint=http://127.0.0.1:{}/"
        "devstoreaccount1",
        container, port == 0 ? process_.port() : port);
  }
  [[nodiscard]] const std::string& key() const { return key_; }
  [[nodiscard]] StoreEnvironment& environment() { return environment_; }

 private:
  io::TemporaryFolder folder_;
  io::ServerProcess process_;
  std::string key_;
  StoreEnvironment environment_;
};

// Started once, when the first test wants it.
Azurite& azurite() {
  static Azurite server;
  return server;
}

TEST(AzureLogin, SendsNoSharedAccessSignatureInTheClear) {
  StoreEnvironment environment;
  environment.set("AZURE_STORAGE_SAS_TOKEN", "sv=2022-11-02&sig=hush");
  const auto refused = open_azure("azure://backups/x?account=name&endpoint=http://nas.example",
                                  OpenKind::kOpen, environment.world());
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_NE(refused.error().hint().find("https://"), std::string::npos);
}

std::string new_container() {
  static std::atomic<int> number = 0;
  return fmt::format("container-{}", ++number);
}

class AzureStore final : public ContractStore {
 public:
  enum class Pages : std::uint8_t { kAsTheStoreGivesThem, kSmall };
  explicit AzureStore(Pages pages) : pages_(pages), container_(new_container()) {
    open(OpenKind::kCreate);
  }
  Backend& backend() override { return *backend_; }
  void reopen() override { open(OpenKind::kOpen); }

 private:
  [[nodiscard]] Result<std::unique_ptr<Backend>> opened(OpenKind kind) const {
    const StoreWorld world = azurite().environment().world();
    const std::string url = azurite().url(container_);
    if (pages_ == Pages::kAsTheStoreGivesThem) return open_azure(url, kind, world);
    AzureOptions options{.address = TRY(parse_address(url)),
                         .key = TRY(from_base64(azurite().key())),
                         .sas = {},
                         .block_bytes = 300'000,
                         .page_blobs = 7};
    return TRY(AzureBackend::open(std::move(options), kind, world.clock, world.rng));
  }
  void open(OpenKind kind) {
    auto made = opened(kind);
    ASSERT_TRUE(made.has_value()) << made.error().describe();
    backend_ = *std::move(made);
  }
  const Pages pages_;
  std::string container_;
  std::unique_ptr<Backend> backend_;
};

ContractParam kind_of(const std::string& what, AzureStore::Pages pages) {
  return {what, [pages]() -> std::unique_ptr<ContractStore> {
            if (!azurite().missing().empty()) return nullptr;
            return std::make_unique<AzureStore>(pages);
          }};
}

INSTANTIATE_TEST_SUITE_P(
    Azure, BackendContract,
    ::testing::Values(kind_of("Azurite", AzureStore::Pages::kAsTheStoreGivesThem),
                      kind_of("AzuriteSmallPages", AzureStore::Pages::kSmall)));

class Azure : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!server.missing().empty()) GTEST_SKIP() << server.missing();
  }
  [[nodiscard]] Result<std::unique_ptr<Backend>> open(OpenKind kind = OpenKind::kCreate) {
    return open_azure(server.url(container, between ? between->port() : 0), kind,
                      server.environment().world());
  }
  [[nodiscard]] std::unique_ptr<Backend> retried() {
    const RetryBackend::World world{clock, rng, [](auto) {}, {}, {}};
    return std::make_unique<RetryBackend>(open().value(), RetryPolicy{}, world);
  }
  void stand_between() {
    between.emplace(std::vector<std::string>{BACKSTAY_PYTHON,
                                             BACKSTAY_SOURCE_FOLDER "/tests/servers/http_faults.py",
                                             "--to", std::to_string(server.port())});
  }
  void fault(const std::string& json) {
    http::Client client{{.use_proxies = false}};
    const ByteView piece = as_bytes(json);
    const StreamedBytes body = streamed({&piece, 1});
    const auto told =
        client.call({.method = "POST", .url = between->url("/_fault"), .body = &body});
    EXPECT_TRUE(told && told->succeeded()) << json;
  }

  Azurite& server = azurite();
  std::string container = new_container();
  SystemClock clock;
  crypto::SystemRng rng;
  std::optional<io::ServerProcess> between;
};

TEST_F(Azure, FindsNoContainerThatNobodyMade) {
  EXPECT_EQ(open(OpenKind::kOpen).error().code(), ErrorCode::kNoRepository);
  EXPECT_TRUE(check_azure_is_free(server.url(container), server.environment().world()));
  const auto store = open();
  ASSERT_TRUE(store.has_value()) << store.error().describe();
  ASSERT_TRUE((*store)->put("data/3f/a", as_bytes("x")).has_value());
  EXPECT_EQ(check_azure_is_free(server.url(container), server.environment().world()).error().code(),
            ErrorCode::kAlreadyExists);
}

TEST_F(Azure, RefusesAWrongKeyAndShowsNone) {
  ASSERT_TRUE(open().has_value());
  StoreEnvironment wrong;
  wrong.set("AZURE_STORAGE_KEY", "aHVzaC1odXNo");
  const auto refused = open_azure(server.url(container), OpenKind::kOpen, wrong.world());
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_EQ(refused.error().describe().find("aHVzaC1odXNo"), std::string::npos);
  EXPECT_FALSE(refused.error().hint().empty());
}

TEST_F(Azure, GoesOnAfterFailuresOfEveryKindAtEveryRequest) {
  stand_between();
  const auto store = retried();
  int number = 0;
  for (const char* const what : {"500", "503", "drop", "lose", "cut"}) {
    for (int skip = 0; skip < 7; ++skip) {
      fault(fmt::format(R"({{"do": "{}", "skip": {}}})", what, skip));
      const std::string object = fmt::format("data/3f/{}", ++number);
      // The second one goes in blocks.
      const Bytes bytes(number % 7 == 1 ? 9'000'000 : 100'000, static_cast<std::uint8_t>(number));
      ASSERT_TRUE(store->put(object, bytes).has_value()) << what << skip;
      ASSERT_TRUE(store->get(object, bytes.size()).value() == bytes) << what << skip;
      Bytes part(1000);
      ASSERT_TRUE(store->get_range(object, 5, part).has_value()) << what << skip;
      ASSERT_TRUE(store->remove(object).has_value()) << what << skip;
    }
  }
}

TEST_F(Azure, KeepsSomebodyElsesObjectWhenItsOwnAnswerIsLost) {
  stand_between();
  const auto store = retried();
  ASSERT_TRUE(open().value()->put("generations/1", as_bytes("theirs")).has_value());
  fault(R"({"do": "lose", "method": "PUT"})");
  EXPECT_EQ(store->put("generations/1", as_bytes("my own")).error().code(),
            ErrorCode::kAlreadyExists);
  EXPECT_EQ(as_text(store->get("generations/1", 10).value()), "theirs");
  fault(R"({"do": "lose", "method": "PUT"})");
  const auto mine = store->put("generations/2", as_bytes("my own"));
  EXPECT_TRUE(mine.has_value()) << mine.error().describe();
}

TEST_F(Azure, LetsOneOfSeveralReplaceWhatAllHaveSeen) {
  const auto one = open().value();
  const auto other = open().value();
  EXPECT_EQ(one->versions().value(), Answer::kUnknown) << "before anything was put";
  const ProbeReport found = probe(*one, *other, clock, rng).value();
  EXPECT_EQ(found.swaps, Answer::kYes);
  EXPECT_EQ(found.versions, Answer::kNo);
  EXPECT_TRUE(found.reads_at_once);
}

TEST_F(Azure, FollowsNobodyElsewhere) {
  stand_between();
  const auto store = open().value();
  fault(R"({"do": "elsewhere", "method": "GET"})");
  EXPECT_EQ(store->get("config", 10).error().code(), ErrorCode::kInvalidArgument);
}

TEST(AzureLogin, SaysWhatIsMissingBeforeItAsksAnybody) {
  StoreEnvironment environment;
  const auto code = [&](const std::string& url) {
    return open_azure(url, OpenKind::kOpen, environment.world()).error().code();
  };
  EXPECT_EQ(code("azure://con?account=acc"), ErrorCode::kPermissionDenied) << "no key";
  environment.set("AZURE_STORAGE_KEY", "no Base64!");
  EXPECT_EQ(code("azure://con?account=acc"), ErrorCode::kPermissionDenied);
  environment.set("AZURE_STORAGE_KEY", "a2V5");
  EXPECT_EQ(code("azure://con"), ErrorCode::kPermissionDenied) << "no account";
}

}  // namespace
}  // namespace backstay::backend::azure
