#include "backend/s3/bucket.h"

#include <fmt/format.h>

#include <cstdlib>

#include "backend/remote/status.h"
#include "base/hex.h"
#include "base/try.h"
#include "crypto/sha256.h"
#include "http/date.h"

namespace backstay::backend::s3 {
namespace {

// Stores refuse what is signed by a clock that is off by 15 minutes: less is no reason to correct.
constexpr std::int64_t kSkewSeconds = 240;

}  // namespace

Bucket::Bucket(BucketOptions options)
    : options_(std::move(options)),
      region_(options_.region),
      vendor_(&vendor_by_host(options_.address.host)) {
  if (region_.empty()) region_ = vendor_->region;
}

std::string Bucket::region() const {
  const MutexLock lock(mutex_);
  return region_;
}

const Vendor& Bucket::vendor() const {
  const MutexLock lock(mutex_);
  return *vendor_;
}

Timestamp Bucket::store_now() const {
  Timestamp now = options_.clock.now();
  const MutexLock lock(mutex_);
  now.seconds += clock_ahead_;
  return now;
}

Result<http::Response> Bucket::call(Call call, ByteView body) {
  const StreamedBytes bytes = streamed({&body, 1});
  call.body = &bytes;
  call.payload_hash = to_hex(crypto::sha256(body));
  return this->call(call);
}

Result<http::Response> Bucket::call(const Call& call) {
  Corrections done;
  for (;;) {
    const Signed with{region(), store_now(), TRY(options_.credentials.current())};
    http::Response response = TRY_DOING("asking " + options_.address.describe(), send(call, with));
    if (call.answered != nullptr) *call.answered = true;
    learn(response);
    if (response.succeeded()) return response;
    if (!correct(response, with, done)) return failure(call, response);
  }
}

Result<http::Response> Bucket::send(const Call& call, const Signed& with) {
  const Address& address = options_.address;
  const auto& [in, now, who] = with;
  UnsignedRequest to_sign{
      .method = call.method,
      .path = address.path_to_bucket() +
              (call.key.empty()
                   ? ""
                   : http::percent_encoded(address.prefix + call.key, http::Slashes::kStay)),
      .query = call.query,
      .headers = call.headers,
      .payload_hash = call.payload_hash.empty() ? std::string(kEmptyPayload) : call.payload_hash};
  to_sign.headers.push_back({"x-amz-content-sha256", to_sign.payload_hash});
  to_sign.headers.push_back({"x-amz-date", amz_date(now)});
  if (!who.session_token.empty()) {
    to_sign.headers.push_back({"x-amz-security-token", who.session_token});
  }
  http::Request request{
      .method = call.method,
      .url = fmt::format("{}://{}{}", address.scheme, address.authority_in(in), to_sign.path),
      .headers = to_sign.headers,
      .body = call.body,
      .sink = call.sink,
      .answer_max = call.answer_max,
      .silence_max = call.silence_max};
  if (!call.query.empty()) request.url += "?" + canonical_query(call.query);
  to_sign.headers.push_back({"host", address.authority_in(in)});
  request.headers.push_back({"Authorization", authorization(to_sign, who, {in}, now)});
  return options_.client.call(request);
}

std::optional<Timestamp> Bucket::last_answered() const {
  const MutexLock lock(mutex_);
  return last_answered_;
}

// Who made the store shows in its answers.
void Bucket::learn(const http::Response& response) {
  const auto date = response.header("date");
  const Result<Timestamp> there = http::parse_http_date(date.value_or(""));
  const MutexLock lock(mutex_);
  if (there) last_answered_ = *there;
  if (vendor_->name == "unknown") vendor_ = &vendor_by_answer(response);
}

bool Bucket::correct(const http::Response& response, const Signed& with, Corrections& done) {
  const ErrorAnswer error = parse_error(response.body);
  if (!done.region && follow_region(response, error, with)) return done.region = true;
  if (!done.clock && follow_clock(response, with)) return done.clock = true;
  const bool ended = error.code == "ExpiredToken" || error.code == "TokenRefreshRequired";
  if (!done.credentials && ended) {
    options_.credentials.expired(with.who);
    return done.credentials = true;
  }
  return false;
}

// HEAD has no words: there the date alone tells why it was refused.
bool Bucket::follow_clock(const http::Response& response, const Signed& with) {
  const auto date = response.header("date");
  const Result<Timestamp> there = http::parse_http_date(date.value_or(""));
  if (response.status != 403 || !there) return false;
  if (std::abs(there->seconds - with.time.seconds) <= kSkewSeconds) return false;
  const MutexLock lock(mutex_);
  clock_ahead_ = there->seconds - options_.clock.now().seconds;
  return true;
}

// 301 PermanentRedirect, 307 TemporaryRedirect and 400 AuthorizationHeaderMalformed say where the
// bucket is. Only the region is believed, never a host: nobody gets signed requests by asking.
bool Bucket::follow_region(const http::Response& response, const ErrorAnswer& error,
                           const Signed& with) {
  const bool elsewhere = response.status / 100 == 3 || response.status == 400;
  std::string named = error.region;
  if (const auto header = response.header("x-amz-bucket-region")) named = *header;
  if (!elsewhere || named.empty()) return false;
  for (const char c : named) {
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')) return false;
  }
  if (named == with.region) return false;
  const MutexLock lock(mutex_);
  region_ = named;
  return true;
}

std::unexpected<Error> Bucket::failure(const Call& call, const http::Response& response) {
  const std::string what = call.key.empty()
                               ? options_.address.describe()
                               : fmt::format("{} in {}", call.key, options_.address.describe());
  const ErrorAnswer answer = parse_error(response.body);
  if (call.refusal != nullptr) *call.refusal = answer.code;
  return std::unexpected(remote::with_pause(error_of(response.status, answer, what), response));
}

}  // namespace backstay::backend::s3
