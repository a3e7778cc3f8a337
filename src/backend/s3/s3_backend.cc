#include "backend/s3/s3_backend.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <thread>

#include "backend/open.h"
#include "backend/store_world.h"
#include "base/base64.h"
#include "base/hex.h"
#include "base/try.h"
#include "crypto/md5.h"
#include "crypto/sha256.h"
#include "http/date.h"

namespace backstay::backend::s3 {
namespace {

// docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html; others have at least that.
constexpr std::uint64_t kObjectBytesMax = std::uint64_t{5} << 40;
// So many who create one name at once show whether a store lets more than one win.
constexpr std::size_t kRacers = 4;
constexpr std::int64_t kSecondsMax32 = 0xffff'ffff;

http::ClientOptions client_options(const World& world, const Limits& limits) {
  return {.connections_max = limits.connections_max,
          .ca_file = authorities_file(world.environment),
          .stop = world.stop};
}

Result<std::uint64_t> size_in(const http::Response& response) {
  const std::string_view text = response.header("content-length").value_or("");
  std::uint64_t size = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
  if (error == std::errc{} && end == text.data() + text.size()) return size;
  return fail(ErrorCode::kUnavailable, "the store does not say how large the object is");
}

std::unexpected<Error> ends_before(std::string_view name, std::uint64_t offset, std::size_t size) {
  return fail(ErrorCode::kCorruption,
              fmt::format("object {} ends before {} + {} bytes", name, offset, size));
}

std::unexpected<Error> taken(std::string_view where, std::string_view name) {
  return fail(ErrorCode::kAlreadyExists, fmt::format("object {} is in {} already", name, where));
}

bool is_named_by_its_hash(std::string_view name) {
  const std::string_view last = name.substr(name.rfind('/') + 1);
  return last.size() == 64 && last.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// Overwriting what is named by the hash of its bytes changes nothing, and leases have names that
// nobody else makes.
bool needs_no_condition(std::string_view name) {
  return name.starts_with("leases/") || is_named_by_its_hash(name);
}

}  // namespace

S3Backend::S3Backend(const Address& address, World world, Limits limits)
    : world_(std::move(world)),
      limits_(limits),
      client_(client_options(world_, limits_)),
      nearby_client_({.connections_max = 1,
                      .connect_max = std::chrono::milliseconds(1000),
                      .use_proxies = false,
                      .stop = world_.stop}),
      credentials_({world_.environment, world_.clock, client_, nearby_client_, address.profile}),
      bucket_({.address = address,
               .clock = world_.clock,
               .client = client_,
               .credentials = credentials_,
               .region = !address.region.empty()
                             ? address.region
                             : configured_region({world_.environment, world_.clock, client_,
                                                  nearby_client_, address.profile})}) {}

Result<std::unique_ptr<S3Backend>> S3Backend::open(const Address& address, World world,
                                                   OpenKind kind, Limits limits) {
  std::unique_ptr<S3Backend> backend(new S3Backend(address, std::move(world), limits));
  Result<void> looked = backend->look_at_bucket(kind);
  const bool later = !looked && looked.error().retryable() && kind == OpenKind::kOpen;
  if (!looked && !later) return std::unexpected(std::move(looked).error());
  return backend;
}

Result<void> S3Backend::look_at_bucket(OpenKind kind) {
  Result<void> looked = ask_about_lock();
  const bool missing = !looked && looked.error().code() == ErrorCode::kNoRepository;
  if (missing && kind == OpenKind::kCreate) {
    TRY(make_bucket());
    looked = ask_about_lock();
  }
  TRY(std::move(looked));
  const MutexLock lock(mutex_);
  const Support conditional = bucket_.vendor().conditional_put;
  if (conditional == Support::kYes) creation_ = Creation::kConditional;
  if (conditional == Support::kNo) creation_ = Creation::kLookFirst;
  looked_ = true;
  return {};
}

Result<void> S3Backend::ready(std::string_view name) {
  TRY(validate_name(name));
  if (looked_) return {};
  return look_at_bucket(OpenKind::kOpen);
}

Result<void> S3Backend::make_bucket() {
  const Address& address = bucket_.address();
  const bool named = address.host.empty() && bucket_.region() != "us-east-1";
  const std::string xml = named ? creation_body(bucket_.region()) : "";
  const auto made = TRY_DOING("making the bucket " + address.bucket,
                              bucket_.call({.method = "PUT"}, as_bytes(xml)));
  static_cast<void>(made);
  return {};
}

// The configuration is read, and believed only when it says so in its own words: some stores answer
// 200 to anything. What refuses to tell has no lock, as far as we are concerned.
Result<void> S3Backend::ask_about_lock() {
  if (bucket_.vendor().object_lock != Support::kNo) {
    const Result<http::Response> said = bucket_.call({.query = {{"object-lock", ""}}});
    if (said) {
      lock_ = parse_lock_enabled(said->body) && bucket_.vendor().object_lock != Support::kNo;
      return {};
    }
    const ErrorCode code = said.error().code();
    const bool answered = code == ErrorCode::kNotFound || code == ErrorCode::kUnsupported ||
                          code == ErrorCode::kInvalidArgument;
    if (code == ErrorCode::kPermissionDenied) {
      // Perhaps only this question is not allowed; the first failure has the store's words.
      if (bucket_.call({.method = "HEAD"})) return {};
    }
    if (!answered) return std::unexpected(said.error().clone());
  }
  const Result<http::Response> there =
      bucket_.call({.query = {{"list-type", "2"}, {"max-keys", "1"}}});
  if (!there) return std::unexpected(there.error().clone());
  return {};
}

// ---- creating

UploadHeaders S3Backend::headers_of(Creation creation) const {
  UploadHeaders headers;
  const Address& address = bucket_.address();
  const auto add = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) headers.object.push_back({std::string(name), value});
  };
  add("x-amz-storage-class", address.storage_class);
  add("x-amz-server-side-encryption", address.encryption);
  add("x-amz-server-side-encryption-aws-kms-key-id", address.encryption_key);
  if (creation != Creation::kLookFirst) headers.condition.push_back({"If-None-Match", "*"});
  return headers;
}

S3Backend::~S3Backend() {
  unfinished_.take_back(bucket_);
}

Result<void> S3Backend::put(std::string_view name, std::span<const ByteView> pieces) {
  const StreamedBytes bytes = streamed(pieces);
  const std::string key(name);
  return create(name, bytes, [&](const UploadHeaders& headers) {
    return upload_in_parts(target_of(key), pieces, headers,
                           options_for(key, limits_.parts.part_bytes));
  });
}

Result<void> S3Backend::put_streamed(std::string_view name, const StreamedBytes& bytes) {
  const std::string key(name);
  return create(name, bytes, [&](const UploadHeaders& headers) {
    UploadOptions options = options_for(key, limits_.streamed_part_bytes);
    options.at_once = std::min<std::size_t>(options.at_once, 2);
    return upload_in_parts(target_of(key), bytes, headers, options);
  });
}

UploadTarget S3Backend::target_of(const std::string& key) {
  const Address& address = bucket_.address();
  const bool plain =
      address.storage_class.empty() && address.encryption.empty() && address.encryption_key.empty();
  const bool go_on = plain && is_named_by_its_hash(key);
  return {.bucket = bucket_,
          .key = key,
          .unfinished = unfinished_,
          .earlier = go_on ? Earlier::kGoOn : Earlier::kNothingOfIt};
}

bool S3Backend::line_broke(const std::string& key) {
  const MutexLock lock(mutex_);
  return line_broke_.contains(key);
}

// Over a line that breaks, less is sent again.
UploadOptions S3Backend::options_for(const std::string& key, std::uint64_t part_bytes) {
  UploadOptions options = limits_.parts;
  options.part_bytes = part_bytes;
  if (line_broke(key)) options.part_bytes = std::min(part_bytes, limits_.broken_line_part_bytes);
  return options;
}

Result<void> S3Backend::create(std::string_view name, const StreamedBytes& bytes,
                               const std::function<Result<void>(const UploadHeaders&)>& in_parts) {
  TRY(ready(name));
  const std::string key(name);
  Creation how = TRY(creation_of(name));
  for (;;) {
    const UploadHeaders headers = headers_of(how);
    const bool large = bytes.size > limits_.single_max ||
                       (bytes.size > limits_.broken_line_part_bytes && line_broke(key));
    if (how == Creation::kLookFirst) {
      const Result<ObjectInfo> there = head(name);
      if (there) return taken(describe(), name);
      if (there.error().code() != ErrorCode::kNotFound) {
        return std::unexpected(there.error().clone());
      }
    }
    Result<void> created = large ? create_in_parts(key, bytes, headers, in_parts)
                                 : create_at_once(key, bytes, headers);
    const bool refused = !created && created.error().code() == ErrorCode::kUnsupported;
    // Who has shown that he heeds conditions does not lose them by one answer.
    if (!refused || how != Creation::kUnasked) return created;
    how = TRY(asked_creation());
  }
}

Result<void> S3Backend::create_at_once(const std::string& key, const StreamedBytes& bytes,
                                       const UploadHeaders& headers) {
  // Every byte is read twice: its hash is signed before it goes, so that the store refuses what
  // arrives otherwise.
  crypto::Sha256Stream hash;
  TRY(for_each_piece(bytes, [&](ByteView piece) -> Result<void> {
    hash.update(piece);
    return {};
  }));
  const crypto::Sha256 digest = hash.finish();
  bool answered = false;
  Call call{.method = "PUT",
            .key = key,
            .headers = headers.object,
            .body = &bytes,
            .payload_hash = to_hex(digest),
            .answered = &answered};
  std::ranges::copy(headers.condition, std::back_inserter(call.headers));
  // Kept beside the object where the store can; buckets with a default retention ask for it.
  if (bucket_.vendor().checksums) {
    call.headers.push_back({"x-amz-checksum-sha256", to_base64(digest)});
  }
  const Result<http::Response> stored = bucket_.call(call);
  if (stored) return {};
  if (!answered && stored.error().retryable()) {
    const MutexLock lock(mutex_);
    line_broke_.insert(key);
  }
  if (stored.error().code() == ErrorCode::kAlreadyExists) return taken(describe(), key);
  return std::unexpected(stored.error().clone());
}

// Parts that would be in vain are not sent, and what came out is looked at: the sum of the parts is
// not signed.
Result<void> S3Backend::create_in_parts(
    const std::string& key, const StreamedBytes& bytes, const UploadHeaders& headers,
    const std::function<Result<void>(const UploadHeaders&)>& in_parts) {
  const Result<ObjectInfo> before = head(key);
  // Perhaps by our own attempt before, whose answer was lost: then its upload has ended, too.
  if (before) return taken(describe(), key);
  if (before.error().code() != ErrorCode::kNotFound) {
    return std::unexpected(before.error().clone());
  }
  UploadHeaders heeded = headers;
  // There are stores that fail because of it; and what is so large is named by its hash.
  if (bucket_.vendor().conditional_complete == Support::kNo) heeded.condition.clear();
  Result<void> sent = in_parts(heeded);
  if (!sent && sent.error().code() == ErrorCode::kAlreadyExists) return taken(describe(), key);
  TRY(std::move(sent));
  const ObjectInfo after = TRY(head(key));
  if (after.size_bytes == bytes.size) {
    const MutexLock lock(mutex_);
    line_broke_.erase(key);
    return {};
  }
  TRY(remove(key));
  return fail(ErrorCode::kUnavailable, fmt::format("of {} the store made {} bytes of {}", key,
                                                   after.size_bytes, bytes.size));
}

Result<S3Backend::Creation> S3Backend::creation_of(std::string_view name) {
  {
    const MutexLock lock(mutex_);
    if (creation_ != Creation::kUnasked || needs_no_condition(name)) return creation_;
  }
  return asked_creation();
}

Result<S3Backend::Creation> S3Backend::asked_creation() {
  const Creation found = TRY_DOING("asking the store whether it creates objects only once", race());
  const MutexLock lock(mutex_);
  if (creation_ == Creation::kUnasked) creation_ = found;
  return creation_;
}

// Several create one name at once, and then one of them again. Where leases are, clients may remove
// things also of stores that let nothing else go.
Result<S3Backend::Creation> S3Backend::race() {
  Bytes random(16);
  world_.rng.fill(random);
  const std::string key = "leases/probe-" + to_hex(random);
  const auto create = [&]() -> std::optional<Error> {
    const auto created = bucket_.call(
        {.method = "PUT", .key = key, .headers = {{"If-None-Match", "*"}}}, as_bytes("probe"));
    if (created) return std::nullopt;
    return created.error().clone();
  };
  std::vector<std::optional<Error>> said(kRacers);
  {
    std::vector<std::jthread> racers;
    for (auto& one : said) racers.emplace_back([&] { one = create(); });
  }
  said.push_back(create());
  const Result<http::Response> gone = bucket_.call({.method = "DELETE", .key = key});
  if (!gone && gone.error().code() != ErrorCode::kPermissionDenied) {
    return std::unexpected(gone.error().clone());
  }
  for (const auto& error : said) {
    const bool lost = error && (error->code() == ErrorCode::kAlreadyExists ||
                                error->code() == ErrorCode::kUnsupported);
    if (error && !lost) return std::unexpected(error->clone());
  }
  const std::optional<Error>& last = said.back();
  if (!last || last->code() != ErrorCode::kAlreadyExists) return Creation::kLookFirst;
  const auto won = std::ranges::count_if(said, [](const auto& error) { return !error; });
  return won == 1 ? Creation::kConditional : Creation::kRacy;
}

// ---- reading

Result<Bytes> S3Backend::get(std::string_view name, std::uint64_t size_max) {
  TRY(ready(name));
  http::Response response =
      TRY_DOING(fmt::format("reading {}", name),
                bucket_.call({.key = std::string(name), .answer_max = size_max}));
  return std::move(response.body);
}

Result<void> S3Backend::get_range(std::string_view name, std::uint64_t offset,
                                  MutableByteView out) {
  TRY(ready(name));
  if (out.empty() || offset > ~std::uint64_t{0} - out.size()) {
    if (TRY(head(name)).size_bytes < offset || !out.empty()) {
      return ends_before(name, offset, out.size());
    }
    return {};
  }
  std::size_t got = 0;
  Call call{.key = std::string(name)};
  call.headers.push_back({"Range", fmt::format("bytes={}-{}", offset, offset + out.size() - 1)});
  call.sink = [&](ByteView piece) -> Result<void> {
    if (piece.size() > out.size() - got) {
      return fail(ErrorCode::kUnsupported, "the store gives more than was asked for");
    }
    std::ranges::copy(piece, out.begin() + static_cast<std::ptrdiff_t>(got));
    got += piece.size();
    return {};
  };
  const http::Response response = TRY_DOING(fmt::format("reading {}", name), bucket_.call(call));
  if (got < out.size()) return ends_before(name, offset, out.size());
  if (response.status != 206 && offset != 0) {
    return fail(ErrorCode::kUnsupported,
                fmt::format("{} gives no part of {} but the whole", describe(), name));
  }
  return {};
}

Result<ObjectInfo> S3Backend::head(std::string_view name) {
  TRY(ready(name));
  const http::Response response = TRY(bucket_.call({.method = "HEAD", .key = std::string(name)}));
  const Timestamp said = TRY(http::parse_http_date(response.header("last-modified").value_or("")));
  return ObjectInfo{
      .name = std::string(name), .size_bytes = TRY(size_in(response)), .modified = modified(said)};
}

// Nothing is from later than store_time() says it is.
Timestamp S3Backend::modified(Timestamp said) const {
  if (bucket_.vendor().rounds_up) --said.seconds;
  return said;
}

Result<void> S3Backend::list(std::string_view prefix,
                             const std::function<Result<void>(const ObjectInfo&)>& each) {
  TRY(validate_prefix(prefix));
  if (!looked_) TRY(look_at_bucket(OpenKind::kOpen));
  const std::string& ours = bucket_.address().prefix;
  const std::string wanted = ours + std::string(prefix);
  http::Parameters query{{"list-type", "2"}, {"prefix", wanted}};
  std::string token;
  for (;;) {
    http::Parameters of_page = query;
    if (!token.empty()) of_page.emplace_back("continuation-token", token);
    const http::Response response =
        TRY_DOING(fmt::format("listing '{}'", prefix), bucket_.call({.query = of_page}));
    const ListPage page = TRY_DOING(fmt::format("listing '{}'", prefix), parse_list(response.body));
    for (const ListedKey& one : page.keys) {
      if (!one.key.starts_with(wanted)) {
        return fail(ErrorCode::kUnsupported,
                    fmt::format("{} lists keys that were not asked for", describe()));
      }
      std::string name = one.key.substr(ours.size());
      // What others put there is none of ours.
      if (!validate_name(name)) continue;
      TRY(each({std::move(name), one.size_bytes, modified(one.modified)}));
    }
    if (page.next.empty()) return {};
    if (page.next == token || page.keys.empty()) {
      return fail(ErrorCode::kUnavailable, "the store's list does not end");
    }
    token = page.next;
  }
}

Result<std::string> S3Backend::mark(std::string_view name) {
  TRY(validate_replaceable(name));
  TRY(ready(name));
  const http::Response response = TRY(bucket_.call({.method = "HEAD", .key = std::string(name)}));
  if (const auto etag = response.header("etag")) return std::string(*etag);
  return fail(ErrorCode::kUnsupported, describe() + " gives objects no ETag");
}

Result<void> S3Backend::replace(std::string_view name, std::string_view mark, ByteView bytes) {
  TRY(validate_replaceable(name));
  TRY(ready(name));
  const auto replaced = bucket_.call(
      {.method = "PUT", .key = std::string(name), .headers = {{"If-Match", std::string(mark)}}},
      bytes);
  if (replaced) return {};
  const ErrorCode code = replaced.error().code();
  // Amazon says 412 of an object that is another, and 404 of one that is gone.
  if (code != ErrorCode::kAlreadyExists && code != ErrorCode::kNotFound) {
    return std::unexpected(replaced.error().clone());
  }
  return fail(ErrorCode::kConflict, replaced.error().describe());
}

Result<Answer> S3Backend::versions() {
  TRY_DOING("asking about versions", ready("config"));
  const auto said = bucket_.call({.query = {{"versioning", ""}}});
  if (said) return parse_versioning(said->body);
  if (said.error().retryable()) return std::unexpected(said.error().clone());
  // The right to ask may be missing, or the store know no such question.
  return Answer::kUnknown;
}

Result<Timestamp> S3Backend::store_time() {
  // Any answer has the time, also that there is no such object.
  const Result<ObjectInfo> asked = head("config");
  if (!asked && asked.error().code() != ErrorCode::kNotFound) {
    return std::unexpected(asked.error().clone());
  }
  if (const auto time = bucket_.last_answered()) return *time;
  return fail(ErrorCode::kUnsupported, describe() + " does not tell the time");
}

// ---- removing and keeping

Result<void> S3Backend::remove(std::string_view name) {
  TRY(ready(name));
  // Who tidies up does it thoroughly. Leases go after every operation, also of others.
  if (!name.starts_with("leases/") && !orphans_ended_.exchange(true)) end_orphaned_uploads(bucket_);
  if (lock_) return remove_version(name);
  const Result<http::Response> removed =
      bucket_.call({.method = "DELETE", .key = std::string(name)});
  if (removed || removed.error().code() == ErrorCode::kNotFound) return {};
  return std::unexpected(removed.error().clone());
}

// Without its version the store would only hide the object, and say nothing of its lock.
Result<void> S3Backend::remove_version(std::string_view name) {
  const std::string key(name);
  const Result<http::Response> found = bucket_.call({.method = "HEAD", .key = key});
  if (!found && found.error().code() == ErrorCode::kNotFound) return {};
  if (!found) return std::unexpected(found.error().clone());
  const auto until = retention(name);
  // Somebody else has removed it since.
  if (!until && until.error().code() == ErrorCode::kNotFound) return {};
  if (!until) return std::unexpected(until.error().clone());
  if (*until && bucket_.store_now() < **until) return refuse_retained(describe(), name, **until);
  Call call{.method = "DELETE", .key = key};
  if (const auto version = found->header("x-amz-version-id")) {
    call.query.emplace_back("versionId", std::string(*version));
  }
  auto removed = bucket_.call(call);
  if (removed) return {};
  // The store does not say why.
  const bool refused = removed.error().code() == ErrorCode::kPermissionDenied;
  if (refused && lock_ && legal_hold(name).value_or(LegalHold::kOff) == LegalHold::kOn)
    return refuse_legal_hold(describe(), name);
  return std::unexpected(std::move(removed).error());
}

Result<void> S3Backend::retain(std::string_view name, Timestamp until) {
  TRY(ready(name));
  if (!lock_) return Backend::retain(name, until);
  if (until.nanos > 0) until = {.seconds = until.seconds + 1, .nanos = 0};
  const std::optional<Timestamp> before = TRY(retention(name));
  if ((before && until <= *before) || until <= bucket_.store_now()) return {};
  if (bucket_.vendor().seconds_of_32_bits && until.seconds > kSecondsMax32) {
    return std::unexpected(
        Error(ErrorCode::kInvalidArgument,
              fmt::format("{} cannot lock until {}", describe(), format_rfc3339(until)))
            .with_hint("It counts seconds in 32 bits: choose a time before 2106-02-07."));
  }
  const std::string body = retention_body(bucket_.address().lock_mode, until);
  TRY_DOING(fmt::format("locking {}", name),
            bucket_.call({.method = "PUT",
                          .key = std::string(name),
                          .query = {{"retention", ""}},
                          .headers = {{"Content-MD5", to_base64(crypto::md5(as_bytes(body)))}}},
                         as_bytes(body)));
  const std::optional<Timestamp> after = TRY(retention(name));
  if (after && until <= *after) return {};
  return fail(ErrorCode::kUnsupported,
              fmt::format("{} was asked to lock {} until {}, and keeps it {}", describe(), name,
                          format_rfc3339(until),
                          after ? "until " + format_rfc3339(*after) : "for no time"));
}

Result<std::optional<Timestamp>> S3Backend::retention(std::string_view name) {
  TRY(ready(name));
  if (!lock_) return Backend::retention(name);
  const Result<http::Response> said =
      bucket_.call({.key = std::string(name), .query = {{"retention", ""}}});
  if (!said && said.error().code() == ErrorCode::kNotFound) {
    // Of the object, or of its lock.
    TRY(head(name));
    return std::optional<Timestamp>();
  }
  if (!said) return std::unexpected(said.error().clone());
  const std::optional<Retention> retention = TRY(parse_retention(said->body));
  if (!retention) return std::optional<Timestamp>();
  return retention->until;
}

Result<void> S3Backend::set_legal_hold(std::string_view name, LegalHold hold) {
  TRY(ready(name));
  if (!lock_) return Backend::set_legal_hold(name, hold);
  if (TRY(legal_hold(name)) == hold) return {};
  const std::string body = legal_hold_body(hold);
  TRY_DOING(fmt::format("changing the legal hold of {}", name),
            bucket_.call({.method = "PUT",
                          .key = std::string(name),
                          .query = {{"legal-hold", ""}},
                          .headers = {{"Content-MD5", to_base64(crypto::md5(as_bytes(body)))}}},
                         as_bytes(body)));
  if (TRY(legal_hold(name)) == hold) return {};
  return fail(
      ErrorCode::kUnsupported,
      fmt::format("{} was asked to change the legal hold of {}, and did not", describe(), name));
}

Result<LegalHold> S3Backend::legal_hold(std::string_view name) {
  TRY(ready(name));
  if (!lock_) return Backend::legal_hold(name);
  const Result<http::Response> said =
      bucket_.call({.key = std::string(name), .query = {{"legal-hold", ""}}});
  if (said) return parse_legal_hold(said->body);
  if (said.error().code() != ErrorCode::kNotFound) return std::unexpected(said.error().clone());
  // Of the object, or of its hold.
  TRY(head(name));
  return LegalHold::kOff;
}

bool S3Backend::lists_at_once() const {
  const Address::Lists said = bucket_.address().lists;
  if (said == Address::Lists::kAsVendor) return bucket_.vendor().lists_at_once;
  return said == Address::Lists::kAtOnce;
}

Capabilities S3Backend::capabilities() const {
  const MutexLock lock(mutex_);
  return {.conditional_create = creation_ != Creation::kLookFirst && creation_ != Creation::kRacy,
          .lists_at_once = lists_at_once(),
          .server_time = true,
          .over_network = true,
          .object_bytes_max = kObjectBytesMax,
          .object_lock = lock_,
          .lock_by_store = lock_,
          .legal_hold = lock_,
          .append_only = false};
}

}  // namespace backstay::backend::s3
