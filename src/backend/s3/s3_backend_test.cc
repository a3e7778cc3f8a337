// S3Backend against the strict store of tests/servers/s3_fake.py: the contract of all backends, in
// several kinds of store, and what is S3's own.
#include "backend/s3/s3_backend.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>

#include "backend/open.h"
#include "backend/probe.h"
#include "backend/retry_backend.h"
#include "backend/testing/backend_contract.h"
#include "base/rng.h"
#include "crypto/random.h"
#include "io/testing/server_process.h"
#include "io/testing/temporary_folder.h"

namespace backstay::backend::s3 {
namespace {

using Variables = std::map<std::string, std::string, std::less<>>;

Lookup lookup(Variables variables) {
  return [variables = std::move(variables)](std::string_view name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    if (found == variables.end()) return std::nullopt;
    return found->second;
  };
}

Variables good_key() {
  return {{"AWS_ACCESS_KEY_ID", "AKTEST"}, {"AWS_SECRET_ACCESS_KEY", "SKTEST"}};
}

// The store, and a client beside the backend that makes it go wrong.
class Fake {
 public:
  explicit Fake(const std::vector<std::string>& quirks = {}) : server_(argv(quirks)) {}

  [[nodiscard]] std::string url() const { return server_.url(); }
  [[nodiscard]] std::uint16_t port() const { return server_.port(); }
  void tell(const std::string& path, const std::string& json) {
    const ByteView piece = as_bytes(json);
    const StreamedBytes body = streamed({&piece, 1});
    const auto told = client_.call({.method = "POST", .url = server_.url(path), .body = &body});
    EXPECT_TRUE(told && told->succeeded()) << path << json;
  }
  void fault(const std::string& json) { tell("/_fault", json); }
  // How many calls began so: "PUT /bucket/key".
  [[nodiscard]] int calls(std::string_view beginning) {
    const auto said = client_.call({.url = server_.url("/_log")});
    if (!said) return -1;
    const std::string log(as_text(said->body));
    int count = 0;
    const std::string wanted = "\"" + std::string(beginning);
    for (std::size_t at = log.find(wanted); at != std::string::npos; at = log.find(wanted, at + 1))
      ++count;
    return count;
  }

 private:
  static std::vector<std::string> argv(const std::vector<std::string>& quirks) {
    std::vector<std::string> words{BACKSTAY_PYTHON,
                                   BACKSTAY_SOURCE_FOLDER "/tests/servers/s3_fake.py"};
    for (const std::string& quirk : quirks) words.insert(words.end(), {"--quirk", quirk});
    return words;
  }

  io::ServerProcess server_;
  http::Client client_{{.use_proxies = false}};
};

Limits small_limits() {
  Limits limits;
  limits.single_max = 1 << 20;
  limits.parts = {.part_bytes = 300'000, .at_once = 3};
  limits.streamed_part_bytes = 100'000;
  limits.broken_line_part_bytes = 100'000;
  return limits;
}

class Store {
 public:
  explicit Store(Fake& fake, const std::string& query = "", Variables variables = good_key())
      : fake_(fake), query_(query), variables_(std::move(variables)) {}

  [[nodiscard]] Result<std::unique_ptr<S3Backend>> open(OpenKind kind = OpenKind::kCreate,
                                                        const std::string& bucket = "bucket") {
    const auto address = parse_address(
        fmt::format("s3://{}/some/where?endpoint={}&region=test-1{}", bucket, fake_.url(), query_));
    EXPECT_TRUE(address.has_value());
    return S3Backend::open(*address, {lookup(variables_), clock_, rng_, stop_.get_token()}, kind,
                           small_limits());
  }
  std::stop_source& stop() { return stop_; }

 private:
  Fake& fake_;
  std::string query_;
  Variables variables_;
  SystemClock clock_;
  crypto::SystemRng rng_;
  std::stop_source stop_;
};

// A bucket with object lock, which a backend does not make.
void make_locked_bucket(Fake& fake) {
  SystemClock clock;
  http::Client client{{.use_proxies = false}};
  CredentialChain chain({lookup(good_key()), clock, client, client});
  const Address address = parse_address("s3://bucket?region=test-1&endpoint=" + fake.url()).value();
  Bucket bucket({address, clock, client, chain, "test-1"});
  const auto made =
      bucket.call({.method = "PUT", .headers = {{"x-amz-bucket-object-lock-enabled", "true"}}});
  ASSERT_TRUE(made.has_value()) << made.error().describe();
}

struct Kind {
  std::vector<std::string> quirks;
  bool locked = false;
  bool creates_once = true;
  bool retried = false;  // as the program has it, but for the pauses
};

class S3Store final : public ContractStore {
 public:
  explicit S3Store(const Kind& kind) : kind_(kind), fake_(kind.quirks), store_(fake_) {
    if (kind.locked) make_locked_bucket(fake_);
    S3Store::reopen();
  }
  Backend& backend() override { return *backend_; }
  void reopen() override {
    auto opened = store_.open();
    // Who makes a bucket is not retried.
    for (int i = 0; i < 10 && kind_.retried && !opened; ++i) opened = store_.open();
    ASSERT_TRUE(opened.has_value()) << opened.error().describe();
    backend_ = *std::move(opened);
    if (!kind_.retried) return;
    const RetryPolicy policy{
        .attempts_max = 1000, .burst = 1 << 20, .refill = std::chrono::milliseconds(0)};
    backend_ = std::make_unique<RetryBackend>(
        std::move(backend_), policy, RetryBackend::World{clock_, rng_, [](auto) {}, {}, {}});
  }
  bool turn_clock(std::int64_t seconds) override {
    ahead_ += seconds;
    fake_.tell("/_set", fmt::format("{{\"clock\": {}}}", ahead_));
    return true;
  }
  [[nodiscard]] bool creates_once() const override { return kind_.creates_once; }

 private:
  Kind kind_;
  Fake fake_;
  Store store_;
  std::int64_t ahead_ = 0;
  SystemClock clock_;
  crypto::SystemRng rng_;
  std::unique_ptr<Backend> backend_;
};

ContractParam param(const std::string& what, const Kind& kind) {
  return {what, [kind] { return std::make_unique<S3Store>(kind); }};
}

const auto kKinds = ::testing::Values(
    param("S3", {{}}), param("S3SmallPages", {{"small-pages", "ignore-complete"}}),
    param("S3RetriedInAStorm",
          {.quirks = {"storm"}, .locked = false, .creates_once = true, .retried = true}),
    param("S3Locked", {{}, true}), param("S3WithoutConditions", {{"swift"}, false, false}),
    param("S3IgnoringConditions", {{"ignore-conditions"}, false, false}));

}  // namespace
}  // namespace backstay::backend::s3

namespace backstay::backend {
INSTANTIATE_TEST_SUITE_P(S3, BackendContract, s3::kKinds);
}  // namespace backstay::backend

namespace backstay::backend::s3 {
namespace {

Bytes noise(std::size_t size) {
  Bytes bytes(size);
  SeededRng(size).fill(bytes);
  return bytes;
}

TEST(S3Backend, SaysWhatIsWrongWithTheKey) {
  Fake fake;
  const auto failure = [&](Variables variables) {
    const auto opened = Store(fake, "", std::move(variables)).open();
    EXPECT_FALSE(opened.has_value());
    return opened ? Error(ErrorCode::kInternal, "") : opened.error().clone();
  };
  const Error unknown =
      failure({{"AWS_ACCESS_KEY_ID", "AKOTHER"}, {"AWS_SECRET_ACCESS_KEY", "SKTEST"}});
  EXPECT_EQ(unknown.code(), ErrorCode::kPermissionDenied);
  EXPECT_NE(unknown.hint().find("AWS_ACCESS_KEY_ID"), std::string::npos) << unknown.describe();
  const Error wrong =
      failure({{"AWS_ACCESS_KEY_ID", "AKTEST"}, {"AWS_SECRET_ACCESS_KEY", "geheim"}});
  EXPECT_EQ(wrong.code(), ErrorCode::kPermissionDenied);
  EXPECT_NE(wrong.hint().find("AWS_SECRET_ACCESS_KEY"), std::string::npos) << wrong.describe();
  EXPECT_EQ(wrong.describe().find("geheim"), std::string::npos);
  const Error none = failure({{"AWS_EC2_METADATA_DISABLED", "true"}});
  EXPECT_EQ(none.code(), ErrorCode::kPermissionDenied);
  EXPECT_NE(none.hint().find("AWS_ACCESS_KEY_ID"), std::string::npos);
}

TEST(S3Backend, MakesTheBucketOnlyWhenItCreates) {
  Fake fake;
  Store store(fake);
  const auto missing = store.open(OpenKind::kOpen);
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().code(), ErrorCode::kNoRepository);
  EXPECT_TRUE(store.open(OpenKind::kCreate).has_value());
  EXPECT_TRUE(store.open(OpenKind::kOpen).has_value());
}

TEST(S3Backend, IsOpenedAlsoWhenTheStoreFailsForNow) {
  Fake fake;
  make_locked_bucket(fake);
  fake.fault(R"({"do": "503", "times": 2})");
  Store store(fake);
  const auto backend = store.open(OpenKind::kOpen).value();
  EXPECT_EQ(backend->head("config").error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(backend->head("config").error().code(), ErrorCode::kNotFound);
  EXPECT_TRUE(backend->capabilities().object_lock);
}

TEST(S3Backend, FollowsTheBucketToItsRegion) {
  Fake fake;
  ASSERT_TRUE(Store(fake).open().has_value());
  fake.tell("/_set", R"({"region": "moon-2"})");
  Store store(fake);
  const auto backend = store.open().value();
  ASSERT_TRUE(backend->put("config", as_bytes("x")).has_value());
  EXPECT_EQ(backend->bucket().region(), "moon-2");
}

TEST(S3Backend, GoesByTheClockOfTheStore) {
  Fake fake;
  Store store(fake);
  const auto backend = store.open().value();
  for (const int seconds : {7200, -7200}) {
    fake.tell("/_set", fmt::format("{{\"clock\": {}}}", seconds));
    const std::string name = fmt::format("keys/a{}", seconds + 10000);
    const auto stored = backend->put(name, as_bytes("x"));
    EXPECT_TRUE(stored.has_value()) << stored.error().describe();
  }
}

TEST(S3Backend, AsksForNewCredentialsWhenTheStoreSaysTheyHaveEnded) {
  Fake fake;
  ASSERT_TRUE(Store(fake).open().has_value());
  Store store(fake, "", {{"AWS_CONTAINER_CREDENTIALS_FULL_URI", fake.url() + "/container"}});
  const auto backend = store.open().value();
  ASSERT_TRUE(backend->put("config", as_bytes("x")).has_value());
  EXPECT_EQ(fake.calls("GET /container"), 1);
  fake.fault(R"({"do": "expired", "times": 1})");
  EXPECT_TRUE(backend->get("config", 10).has_value());
  EXPECT_EQ(fake.calls("GET /container"), 2);
  fake.fault(R"({"do": "expired", "times": 2})");
  EXPECT_EQ(backend->get("config", 10).error().code(), ErrorCode::kPermissionDenied);
}

TEST(S3Backend, CallsUnavailableWhatMayBeTriedAgain) {
  Fake fake;
  Store store(fake);
  const auto backend = store.open().value();
  ASSERT_TRUE(backend->put("keys/first", as_bytes("x")).has_value());
  for (const char* const what : {"500", "503", "slow-down", "damage", "drop", "lose"}) {
    const std::string name = fmt::format("keys/{}", what);
    fake.fault(fmt::format(R"({{"do": "{}", "times": 1, "method": "PUT"}})", what));
    const auto stored = backend->put(name, as_bytes("x"));
    ASSERT_FALSE(stored.has_value()) << what;
    EXPECT_EQ(stored.error().code(), ErrorCode::kUnavailable) << what;
    const bool is_there = backend->head(name).has_value();
    EXPECT_EQ(is_there, std::string_view(what) == "lose") << what;
  }
  ASSERT_TRUE(backend->put("config", noise(1000)).has_value());
  fake.fault(R"({"do": "cut", "times": 2, "method": "GET", "key": "config"})");
  Bytes out(100);
  EXPECT_EQ(backend->get("config", 1000).error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(backend->get_range("config", 5, out).error().code(), ErrorCode::kUnavailable);
  fake.fault(R"({"do": "full", "times": 1})");
  EXPECT_EQ(backend->put("keys/full", as_bytes("x")).error().code(), ErrorCode::kNoSpace);
}

TEST(S3Backend, SendsLargeObjectsInParts) {
  Fake fake;
  Store store(fake);
  const auto backend = store.open().value();
  const Bytes large = noise(3'000'000);
  const ByteView view(large);
  const std::vector<ByteView> pieces{view.first(1'000'001), {}, view.subspan(1'000'001)};
  ASSERT_TRUE(backend->put("data/3f/large", pieces).has_value());
  EXPECT_TRUE(backend->get("data/3f/large", large.size()).value() == large);
  EXPECT_EQ(fake.calls("PUT /bucket/some/where/data/3f/large?partNumber"), 10);
  EXPECT_EQ(fake.calls("DELETE /bucket/some/where/data"), 0);
}

TEST(S3Backend, GoesOnWithAnUploadInPartsWhereItWasCut) {
  Fake fake({"small-pages"});
  Store store(fake);
  const auto backend = store.open().value();
  const Bytes large = noise(3'000'000);
  const std::string name = "data/3f/cut";
  // A part, the list of those that are there, and the end.
  for (const char* const call : {R"("method": "PUT", "key": "cut?partNumber=5&")",
                                 R"("method": "GET", "key": "cut?uploadId")",
                                 R"("method": "POST", "key": "cut?uploadId")"}) {
    fake.fault(fmt::format(R"({{"do": "503", "times": 1, {}}})", call));
    EXPECT_EQ(backend->put(name, large).error().code(), ErrorCode::kUnavailable) << call;
    EXPECT_EQ(backend->head(name).error().code(), ErrorCode::kNotFound) << call;
  }
  ASSERT_TRUE(backend->put(name, large).has_value());
  EXPECT_TRUE(backend->get(name, large.size()).value() == large);
  EXPECT_EQ(fake.calls("POST /bucket/some/where/data/3f/cut?uploads"), 1);
  EXPECT_EQ(fake.calls("PUT /bucket/some/where/data/3f/cut?partNumber"), 11) << "one failed";
}

TEST(S3Backend, TakesForSentOnlyPartsThatTheStoreHasAsTheyAre) {
  Fake fake;
  Store store(fake);
  const auto backend = store.open().value();
  const std::string name = "data/3f/other";
  fake.fault(R"({"do": "503", "times": 1, "key": "other?partNumber=9&"})");
  ASSERT_FALSE(backend->put(name, noise(3'000'000)).has_value());
  const Bytes changed = noise(2'900'000);
  ASSERT_TRUE(backend->put(name, changed).has_value());
  EXPECT_TRUE(backend->get(name, changed.size()).value() == changed);
}

TEST(S3Backend, BeginsAnUploadAnewThatSomebodyHasEnded) {
  Fake fake;
  Store store(fake);
  const auto backend = store.open().value();
  const Bytes large = noise(2'000'000);
  fake.fault(R"({"do": "503", "times": 1, "key": "some?partNumber=3&"})");
  ASSERT_FALSE(backend->put("data/3f/some", large).has_value());
  fake.tell("/_set", R"({"clock": 864000})");
  const auto other = store.open().value();
  ASSERT_TRUE(other->remove("data/3f/none").has_value());
  EXPECT_EQ(fake.calls("DELETE /bucket/some/where/data/3f/some?uploadId"), 1);
  ASSERT_TRUE(backend->put("data/3f/some", large).has_value());
  EXPECT_EQ(fake.calls("POST /bucket/some/where/data/3f/some?uploads"), 2);
}

// A run that was killed takes nothing back: its calls that would do so are lost here, over each of
// the connections on which libcurl tries them.
void leave_upload(Fake& fake, Store& store, const std::string& name, const Bytes& bytes) {
  fake.fault(R"({"do": "503", "times": 1, "key": "?partNumber=3&"})");
  fake.fault(R"({"do": "drop", "times": 20, "method": "DELETE", "key": "?uploadId"})");
  const auto killed = store.open().value();
  ASSERT_FALSE(killed->put(name, bytes).has_value());
}

TEST(S3Backend, GoesOnWithAnUploadThatAnEarlierRunLeft) {
  Fake fake({"small-pages"});
  Store store(fake);
  const std::string name = "data/3f/" + std::string(64, 'b');
  const std::string parts = "PUT /bucket/some/where/" + name + "?partNumber";
  const Bytes large = noise(3'000'000);
  leave_upload(fake, store, name, large);
  const int sent = fake.calls(parts);
  const auto next = store.open().value();
  ASSERT_TRUE(next->put(name, large).has_value());
  EXPECT_TRUE(next->get(name, large.size()).value() == large);
  EXPECT_EQ(fake.calls("POST /bucket/some/where/" + name + "?uploads"), 1) << "begun only once";
  // All but the one that failed, at most two of which were on their way beside it.
  EXPECT_EQ(fake.calls(parts), 11) << sent << " were sent by the first run";
  const std::string other = "data/3f/" + std::string(64, 'c');
  ASSERT_TRUE(next->put(other, noise(2'000'000)).has_value());
  EXPECT_EQ(fake.calls("GET /bucket/?prefix=some%2Fwhere%2F&uploads"), 2) << "once in each run";
}

TEST(S3Backend, BeginsAnewWhereWhatIsLeftIsNotWhatWouldBeSent) {
  Fake fake;
  Store store(fake);
  const Bytes large = noise(3'000'000);
  const std::string name = "data/3f/" + std::string(64, 'b');
  leave_upload(fake, store, name, large);
  // A part lies there where none of these would.
  const Bytes small = noise(1'100'000);
  Store narrow(fake);
  ASSERT_TRUE(narrow.open().value()->put(name, small).has_value());
  EXPECT_TRUE(narrow.open().value()->get(name, large.size()).value() == small);
  // What has no name of its bytes is nobody's but its writer's.
  leave_upload(fake, store, "data/3f/some", large);
  ASSERT_TRUE(store.open().value()->put("data/3f/some", large).has_value());
  EXPECT_EQ(fake.calls("POST /bucket/some/where/data/3f/some?uploads"), 2);
  // Nor is an upload gone on with that may not be of the class that is wished now.
  const std::string cold = "data/3f/" + std::string(64, 'd');
  leave_upload(fake, store, cold, large);
  Store classed(fake, "&storage_class=STANDARD_IA");
  ASSERT_TRUE(classed.open().value()->put(cold, large).has_value());
  EXPECT_EQ(fake.calls("POST /bucket/some/where/" + cold + "?uploads"), 2);
  // Nor one that somebody may end at any moment.
  const std::string old = "data/3f/" + std::string(64, 'e');
  leave_upload(fake, store, old, large);
  fake.tell("/_set", R"({"clock": 172800})");
  ASSERT_TRUE(store.open().value()->put(old, large).has_value());
  EXPECT_EQ(fake.calls("POST /bucket/some/where/" + old + "?uploads"), 2);
}

TEST(S3Backend, TakesNoOtherFailureForAnUploadThatIsGone) {
  Fake fake;
  Store store(fake);
  const auto backend = store.open().value();
  const std::string name = "data/3f/some";
  const Bytes large = noise(2'000'000);
  fake.fault(R"({"do": "503", "times": 1, "key": "?partNumber=3&"})");
  ASSERT_FALSE(backend->put(name, large).has_value());
  // The word stands in a message, and is not what the store answers.
  fake.fault(R"({"do": "NoSuchUpload in words", "times": 1, "method": "GET", "key": "?uploadId"})");
  EXPECT_EQ(backend->put(name, large).error().code(), ErrorCode::kUnavailable);
  ASSERT_TRUE(backend->put(name, large).has_value());
  EXPECT_EQ(fake.calls("POST /bucket/some/where/" + name + "?uploads"), 1);
}

TEST(S3Backend, LeavesNoPartsBehindAndEndsThoseOfOthersOnlyWhenTheyAreOld) {
  Fake fake;
  Store store(fake);
  {
    const auto backend = store.open().value();
    fake.fault(R"({"do": "503", "times": 1, "key": "some?partNumber=3&"})");
    ASSERT_FALSE(backend->put("data/3f/some", noise(2'000'000)).has_value());
    const auto tidying = store.open().value();
    ASSERT_TRUE(tidying->remove("leases/none").has_value());
    ASSERT_TRUE(tidying->remove("data/3f/none").has_value());
    ASSERT_TRUE(tidying->remove("data/3f/none").has_value());
    EXPECT_EQ(fake.calls("GET /bucket/?prefix=some%2Fwhere%2F&uploads"), 1);
    EXPECT_EQ(fake.calls("DELETE /bucket/some/where/data/3f/some?uploadId"), 0);
  }
  EXPECT_EQ(fake.calls("DELETE /bucket/some/where/data/3f/some?uploadId"), 1);
}

TEST(S3Backend, SendsInPartsWhatDidNotGetThroughAsAWhole) {
  Fake fake;
  Store store(fake);
  const auto backend = store.open().value();
  const Bytes large = noise(900'000);
  for (const char* const what : {"drop", "503"}) {
    const std::string name = fmt::format("data/3f/{}", what);
    fake.fault(
        fmt::format(R"({{"do": "{}", "times": 1, "method": "PUT", "key": "{}"}})", what, name));
    ASSERT_FALSE(backend->put(name, large).has_value());
    ASSERT_TRUE(backend->put(name, large).has_value());
    EXPECT_TRUE(backend->get(name, large.size()).value() == large);
  }
  // Who was answered has no bad line.
  EXPECT_EQ(fake.calls("PUT /bucket/some/where/data/3f/drop?partNumber"), 9);
  EXPECT_EQ(fake.calls("PUT /bucket/some/where/data/3f/503?partNumber"), 0);
}

TEST(S3Backend, NeedsNoQuestionToCreateWhatIsNamedByItsHash) {
  Fake fake({"ignore-conditions"});
  Store store(fake);
  const auto backend = store.open().value();
  const std::string name = "data/3f/" + std::string(64, 'a');
  ASSERT_TRUE(backend->put(name, as_bytes("x")).has_value());
  EXPECT_EQ(fake.calls("HEAD"), 0);
  EXPECT_EQ(fake.calls("PUT"), 2) << "the bucket and the object";
  EXPECT_TRUE(backend->capabilities().conditional_create) << "as far as is known";
  ASSERT_TRUE(backend->put("config", as_bytes("x")).has_value());
  EXPECT_FALSE(backend->capabilities().conditional_create);
}

TEST(S3Backend, SeesThatAStoreLetsAllWinWhoComeAtTheSameMoment) {
  Fake fake({"racy-conditions"});
  Store store(fake);
  const auto backend = store.open().value();
  ASSERT_TRUE(backend->put("config", as_bytes("x")).has_value());
  EXPECT_FALSE(backend->capabilities().conditional_create);
  EXPECT_EQ(backend->put("config", as_bytes("y")).error().code(), ErrorCode::kAlreadyExists);
}

TEST(S3Backend, TellsWhetherTheStoreSwapsAndKeepsVersions) {
  SystemClock clock;
  SeededRng rng(1);
  const auto probed = [&](Fake& fake) {
    Store store(fake);
    const auto one = store.open().value();
    const auto other = store.open().value();
    const ProbeReport found = probe(*one, *other, clock, rng).value();
    EXPECT_EQ(one->list("",
                        [](const ObjectInfo& info) -> Result<void> {
                          return fail(ErrorCode::kConflict, info.name + " is left");
                        })
                  .has_value(),
              true);
    return found;
  };
  Fake good;
  EXPECT_EQ(probed(good).swaps, Answer::kYes);
  EXPECT_EQ(probed(good).versions, Answer::kNo);
  Fake locked;
  make_locked_bucket(locked);
  EXPECT_EQ(probed(locked).swaps, Answer::kYes);
  EXPECT_EQ(probed(locked).versions, Answer::kYes);
  Fake careless({"ignore-conditions"});
  EXPECT_EQ(probed(careless).swaps, Answer::kNo);
  Fake without({"swift"});
  EXPECT_EQ(probed(without).swaps, Answer::kNo);
}

TEST(S3Backend, DoesNotBelieveALockThatItCannotReadBack) {
  Fake fake({"lying-lock"});
  make_locked_bucket(fake);
  Store store(fake);
  const auto backend = store.open().value();
  ASSERT_TRUE(backend->capabilities().object_lock);
  ASSERT_TRUE(backend->put("config", as_bytes("x")).has_value());
  const Timestamp later{.seconds = SystemClock().now().seconds + 3600, .nanos = 0};
  EXPECT_EQ(backend->retain("config", later).error().code(), ErrorCode::kUnsupported);
  EXPECT_EQ(backend->set_legal_hold("config", LegalHold::kOn).error().code(),
            ErrorCode::kUnsupported);
}

TEST(S3Backend, LocksNothingUntilATimeThatTheStoreCannotKeep) {
  Fake fake({"ceph"});
  make_locked_bucket(fake);
  Store store(fake);
  const auto backend = store.open().value();
  ASSERT_TRUE(backend->put("config", as_bytes("x")).has_value());
  const auto refused = backend->retain("config", {.seconds = 0x1'0000'0000, .nanos = 0});
  EXPECT_EQ(refused.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_NE(refused.error().hint().find("2106"), std::string::npos);
  EXPECT_FALSE(backend->retention("config").value().has_value());
  const Timestamp last{.seconds = 0xffff'ffff, .nanos = 0};
  ASSERT_TRUE(backend->retain("config", last).has_value());
  EXPECT_EQ(backend->retention("config").value(), last);
}

TEST(S3Backend, NeverAsksAStoreToLockThatWouldOverwriteTheObject) {
  Fake fake({"swift"});
  make_locked_bucket(fake);  // it says 200 to that, too
  Store store(fake);
  const auto backend = store.open().value();
  EXPECT_FALSE(backend->capabilities().object_lock);
  EXPECT_EQ(backend->bucket().vendor().name, "OpenStack Swift");
  ASSERT_TRUE(backend->put("config", as_bytes("x")).has_value());
  const Timestamp later{.seconds = SystemClock().now().seconds + 3600, .nanos = 0};
  EXPECT_EQ(backend->retain("config", later).error().code(), ErrorCode::kUnsupported);
  EXPECT_EQ(as_text(backend->get("config", 10).value()), "x");
}

TEST(S3Backend, TakesListsForLateWhereTheStoreIsKnownForItUnlessTheUrlSaysOtherwise) {
  Fake poor({"swift"});
  Store late(poor);
  EXPECT_FALSE(late.open().value()->capabilities().lists_at_once);
  Store known(poor, "&lists=at-once");
  EXPECT_TRUE(known.open().value()->capabilities().lists_at_once);
  Fake good;
  Store usual(good);
  EXPECT_TRUE(usual.open().value()->capabilities().lists_at_once);
  Store replicated(good, "&lists=late");
  EXPECT_FALSE(replicated.open().value()->capabilities().lists_at_once);
}

TEST(S3Backend, RefusesAStoreThatGivesNoRanges) {
  Fake fake({"no-range"});
  Store store(fake);
  const auto backend = store.open().value();
  ASSERT_TRUE(backend->put("config", as_bytes("0123456789")).has_value());
  Bytes out(3);
  EXPECT_EQ(backend->get_range("config", 3, out).error().code(), ErrorCode::kUnsupported);
}

TEST(S3Backend, SendsWhatTheUrlSaysOfNewObjects) {
  Fake fake;
  Store store(fake, "&storage_class=STANDARD_IA&sse=aws:kms&sse_kms_key=k");
  const auto backend = store.open().value();
  EXPECT_TRUE(backend->put("config", as_bytes("x")).has_value());
  EXPECT_TRUE(backend->put("data/3f/large", noise(2'000'000)).has_value());
}

TEST(S3Backend, FollowsNobodyElsewhere) {
  Fake fake;
  Store store(fake);
  const auto backend = store.open().value();
  ASSERT_TRUE(backend->put("config", as_bytes("x")).has_value());
  fake.fault(R"({"do": "elsewhere", "times": 1, "key": "config"})");
  const auto sent = backend->get("config", 10);
  ASSERT_FALSE(sent.has_value());
  EXPECT_FALSE(sent.error().retryable()) << sent.error().describe();
  EXPECT_NE(sent.error().hint().find("elsewhere"), std::string::npos) << sent.error().hint();
}

TEST(S3Backend, StopsWhenItIsAskedTo) {
  Fake fake;
  Store store(fake);
  const auto backend = store.open().value();
  store.stop().request_stop();
  EXPECT_EQ(backend->get("config", 10).error().code(), ErrorCode::kCancelled);
}

}  // namespace
}  // namespace backstay::backend::s3
