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

}  // namespace
}  // namespace backstay::backend
