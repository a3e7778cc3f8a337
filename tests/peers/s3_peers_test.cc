// The contract of all backends over real stores that speak S3: Ceph's gateway and OpenStack Swift.
// They are started once; where they are not installed, the tests are skipped and say so.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <charconv>
#include <optional>

#include "backend/open.h"
#include "backend/s3/s3_backend.h"
#include "backend/testing/backend_contract.h"
#include "base/hex.h"
#include "crypto/md5.h"
#include "crypto/random.h"
#include "io/process.h"
#include "io/testing/temporary_folder.h"

namespace backstay::backend {
namespace {

// A store that runs as long as the tests do.
class Peer {
 public:
  Peer(const std::string& script, std::string access, std::string secret)
      : access_(std::move(access)), secret_(std::move(secret)) {
    auto started = io::ChildProcess::start(
        {BACKSTAY_SOURCE_FOLDER "/tests/servers/" + script, folder_.path()});
    if (!started) return;
    process_.emplace(*std::move(started));
    std::string said;
    while (!said.contains('\n')) {
      Bytes piece(100);
      const auto got = process_->read_stdout(piece);
      if (!got || *got == 0) return;
      said += as_text(ByteView(piece).first(*got));
    }
    std::from_chars(said.data() + std::string_view("ready ").size(), said.data() + said.size(),
                    port_);
  }
  [[nodiscard]] bool runs() const { return port_ != 0; }
  [[nodiscard]] std::string url(const std::string& bucket) const {
    return fmt::format("s3://{}/a%20prefix/%C3%A9?endpoint=http://127.0.0.1:{}", bucket, port_);
  }
  [[nodiscard]] s3::Lookup environment() const {
    return [this](std::string_view name) -> std::optional<std::string> {
      if (name == "AWS_ACCESS_KEY_ID") return access_;
      if (name == "AWS_SECRET_ACCESS_KEY") return secret_;
      return std::nullopt;
    };
  }

 private:
  io::TemporaryFolder folder_;
  std::string access_;
  std::string secret_;
  std::optional<io::ChildProcess> process_;
  std::uint16_t port_ = 0;
};

const Peer& ceph() {
  static const Peer peer("rgw.sh", "AKTEST", "SKTEST");
  return peer;
}
const Peer& swift() {
  static const Peer peer("swift.sh", "test:tester", "testing");
  return peer;
}

enum class Lock : std::uint8_t { kOff, kOn };

class PeerStore final : public ContractStore {
 public:
  PeerStore(const Peer& peer, Lock lock, bool creates_once)
      : peer_(peer), creates_once_(creates_once) {
    static std::atomic<int> number = 0;
    bucket_ = fmt::format("bucket-{}", ++number);
    if (lock == Lock::kOn) make_locked_bucket();
    PeerStore::reopen();
  }
  Backend& backend() override { return *backend_; }
  void reopen() override {
    s3::Limits limits;
    limits.single_max = 6 << 20;
    limits.parts.part_bytes = 5 << 20;
    auto opened =
        s3::S3Backend::open(s3::parse_address(peer_.url(bucket_)).value(),
                            {peer_.environment(), clock_, rng_, {}}, OpenKind::kCreate, limits);
    ASSERT_TRUE(opened.has_value()) << opened.error().describe();
    backend_ = *std::move(opened);
  }
  [[nodiscard]] bool creates_once() const override { return creates_once_; }

 private:
  void make_locked_bucket() {
    http::Client client{{.use_proxies = false}};
    s3::CredentialChain chain({peer_.environment(), clock_, client, client});
    const auto address = s3::parse_address(peer_.url(bucket_)).value();
    s3::Bucket bucket({address, clock_, client, chain, ""});
    const auto made =
        bucket.call({.method = "PUT", .headers = {{"x-amz-bucket-object-lock-enabled", "true"}}});
    ASSERT_TRUE(made.has_value()) << made.error().describe();
  }

  const Peer& peer_;
  const bool creates_once_;
  std::string bucket_;
  SystemClock clock_;
  crypto::SystemRng rng_;
  std::unique_ptr<Backend> backend_;
};

// Skips what has no store to run against.
std::unique_ptr<ContractStore> store_of(const Peer& peer, Lock lock, bool creates_once) {
  if (!peer.runs()) return nullptr;
  return std::make_unique<PeerStore>(peer, lock, creates_once);
}

INSTANTIATE_TEST_SUITE_P(
    Peers, BackendContract,
    ::testing::Values(ContractParam{"Ceph RGW", [] { return store_of(ceph(), Lock::kOff, true); }},
                      ContractParam{"Ceph RGW with object lock",
                                    [] { return store_of(ceph(), Lock::kOn, false); }},
                      ContractParam{"OpenStack Swift",
                                    [] { return store_of(swift(), Lock::kOff, false); }}));

// What the store says of a part is what decides whether it is sent again.
void go_on_with_an_upload(const Peer& peer) {
  SystemClock clock;
  crypto::SystemRng rng;
  auto opened = s3::S3Backend::open(s3::parse_address(peer.url("uploads")).value(),
                                    {peer.environment(), clock, rng, {}}, OpenKind::kCreate);
  ASSERT_TRUE(opened.has_value()) << opened.error().describe();
  s3::Bucket& bucket = (*opened)->bucket();
  const std::string key = "data/3f/cut";
  Bytes whole(11 << 20);
  rng.fill(whole);
  constexpr std::size_t kPart = 5 << 20;
  const auto begun = bucket.call({.method = "POST", .key = key, .query = {{"uploads", ""}}}, {});
  ASSERT_TRUE(begun.has_value()) << begun.error().describe();
  const std::string id = s3::parse_upload_id(begun->body).value();
  const ByteView first = ByteView(whole).first(kPart);
  ASSERT_TRUE(
      bucket
          .call({.method = "PUT", .key = key, .query = {{"partNumber", "1"}, {"uploadId", id}}},
                first)
          .has_value());
  const auto listed = bucket.call({.key = key, .query = {{"uploadId", id}}});
  ASSERT_TRUE(listed.has_value()) << listed.error().describe();
  const auto page = s3::parse_parts(listed->body).value();
  ASSERT_EQ(page.parts.size(), 1U);
  EXPECT_EQ(page.parts[0].size_bytes, kPart);
  EXPECT_NE(page.parts[0].etag.find(to_hex(crypto::md5(first))), std::string::npos);
  const auto left = bucket.call({.query = {{"prefix", bucket.address().prefix}, {"uploads", ""}}});
  ASSERT_TRUE(left.has_value()) << left.error().describe();
  const auto uploads = s3::parse_uploads(left->body).value();
  ASSERT_EQ(uploads.size(), 1U);
  EXPECT_EQ(uploads[0].key, bucket.address().prefix + key);
  EXPECT_LT(std::abs(uploads[0].begun.seconds - bucket.last_answered()->seconds), 60);
  s3::end_orphaned_uploads(bucket);  // it is not old

  s3::UnfinishedUploads unfinished;
  unfinished.keep(key, {.id = id, .part_bytes = kPart});
  const ByteView view(whole);
  const auto sent = s3::upload_in_parts({bucket, key, unfinished}, {&view, 1}, {}, {});
  ASSERT_TRUE(sent.has_value()) << sent.error().describe();
  EXPECT_TRUE((*opened)->get(key, whole.size()).value() == whole);
}

TEST(S3Uploads, GoOnWhereCephHasThem) {
  if (!ceph().runs()) GTEST_SKIP() << "Ceph RGW is not installed";
  go_on_with_an_upload(ceph());
}

TEST(S3Uploads, GoOnWhereSwiftHasThem) {
  if (!swift().runs()) GTEST_SKIP() << "OpenStack Swift is not installed";
  go_on_with_an_upload(swift());
}

}  // namespace
}  // namespace backstay::backend
