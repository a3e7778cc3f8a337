#include "backend/s3/upload.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "base/bounded_queue.h"
#include "base/hex.h"
#include "base/mutex.h"
#include "base/try.h"
#include "crypto/md5.h"
#include "crypto/sha256.h"

namespace backstay::backend::s3 {
namespace {

constexpr std::uint64_t kPartsMax = 10'000;
// Stores put many parts together before they answer.
constexpr std::chrono::seconds kCompletionSilence{300};
// A writer gives an object up after minutes. He who slept for days finds his upload gone, and
// begins it anew.
constexpr std::int64_t kOrphanSeconds = std::int64_t{3} * 24 * 3600;
// Of an earlier run, so that there is time to finish it before somebody ends it.
constexpr std::int64_t kEarlierSecondsMax = kOrphanSeconds / 2;

struct Part {
  int number = 0;
  std::vector<ByteView> pieces;
  Bytes owned;  // where the pieces are of a stream
};

// A store that cannot be reached keeps the parts, until somebody ends orphans.
void end_upload(Bucket& bucket, const std::string& key, const std::string& id) {
  static_cast<void>(
      bucket.call({.method = "DELETE", .key = key, .query = {{"uploadId", id}}}).has_value());
}

enum class Age : std::uint8_t { kYounger, kOlder };

// Those of the repository that were begun less, or not less, than so many seconds ago by the
// store's clock, with their keys without the repository's prefix. None where it does not tell.
std::vector<ListedUpload> uploads_below(Bucket& bucket, std::int64_t seconds, Age age) {
  const std::string& ours = bucket.address().prefix;
  const auto said = bucket.call({.query = {{"prefix", ours}, {"uploads", ""}}});
  if (!said) return {};
  auto uploads = parse_uploads(said->body);
  const auto now = bucket.last_answered();
  if (!uploads || !now) return {};
  std::erase_if(*uploads, [&](const ListedUpload& one) {
    const bool older = now->seconds - one.begun.seconds >= seconds;
    return !one.key.starts_with(ours) || older != (age == Age::kOlder);
  });
  for (ListedUpload& one : *uploads) one.key.erase(0, ours.size());
  return *std::move(uploads);
}

// The upload of one object: begun, parts from several threads, completed or taken back.
class Upload {
 public:
  Upload(Bucket& bucket, std::string key) : bucket_(bucket), key_(std::move(key)) {}

  [[nodiscard]] const std::string& id() const { return id_; }

  // Goes on with one that was begun. False when the store has it no more.
  Result<bool> go_on(const std::string& id) {
    id_ = id;
    http::Parameters query{{"uploadId", id_}};
    for (;;) {
      std::string refusal;
      const auto said = bucket_.call({.key = key_, .query = query, .refusal = &refusal});
      // Elsewhere it means that all is to be tried again.
      if (!said && refusal == "NoSuchUpload") {
        id_.clear();
        return false;
      }
      if (!said) return std::unexpected(said.error().clone());
      PartsPage page = TRY(parse_parts(said->body));
      for (ListedPart& part : page.parts) there_.insert_or_assign(part.number, std::move(part));
      if (page.next.empty()) return true;
      if (query.size() > 1 && query.back().second == page.next) {
        return fail(ErrorCode::kUnavailable, "the store's list of parts does not end");
      }
      query.resize(1);
      query.emplace_back("part-number-marker", page.next);
    }
  }

  // Whether all parts that are there are such as an object of so many bytes has in parts of `each`.
  [[nodiscard]] bool has_parts_of(std::uint64_t size, std::uint64_t each) const {
    return std::ranges::all_of(there_, [&](const auto& numbered) {
      const std::uint64_t begin = (static_cast<std::uint64_t>(numbered.first) - 1) * each;
      return begin < size && numbered.second.size_bytes == std::min(each, size - begin);
    });
  }

  Result<void> begin(const std::vector<http::Header>& headers) {
    there_.clear();
    const http::Response response = TRY(bucket_.call(
        {.method = "POST", .key = key_, .query = {{"uploads", ""}}, .headers = headers}, {}));
    id_ = TRY(parse_upload_id(response.body));
    return {};
  }

  Result<void> send(const Part& part) EXCLUDES(mutex_) {
    if (const auto etag = etag_of_the_same(part)) {
      const MutexLock lock(mutex_);
      parts_.push_back({part.number, *etag});
      return {};
    }
    crypto::Sha256Stream hash;
    for (const ByteView piece : part.pieces) hash.update(piece);
    const StreamedBytes body = streamed(part.pieces);
    const http::Response response =
        TRY(bucket_.call({.method = "PUT",
                          .key = key_,
                          .query = {{"partNumber", std::to_string(part.number)}, {"uploadId", id_}},
                          .body = &body,
                          .payload_hash = to_hex(hash.finish())}));
    const auto etag = response.header("etag");
    if (!etag) return fail(ErrorCode::kUnavailable, "the store gives a part no ETag");
    const MutexLock lock(mutex_);
    parts_.push_back({part.number, std::string(*etag)});
    return {};
  }

  Result<void> complete(const std::vector<http::Header>& condition) EXCLUDES(mutex_) {
    std::vector<UploadedPart> parts;
    {
      const MutexLock lock(mutex_);
      parts = parts_;
    }
    std::ranges::sort(parts, {}, &UploadedPart::number);
    const std::string xml = completion_body(parts);
    const http::Response response = TRY(bucket_.call({.method = "POST",
                                                      .key = key_,
                                                      .query = {{"uploadId", id_}},
                                                      .headers = condition,
                                                      .silence_max = kCompletionSilence},
                                                     as_bytes(xml)));
    return parse_completed(response.body);
  }

  void take_back() { end_upload(bucket_, key_, id_); }

 private:
  // The store has this part, and the MD5 that it tells (which it does of parts that it encrypts by
  // no key of its own) is that of these bytes.
  [[nodiscard]] std::optional<std::string> etag_of_the_same(const Part& part) const {
    const auto found = there_.find(part.number);
    if (found == there_.end()) return std::nullopt;
    std::string etag = found->second.etag;
    std::erase(etag, '"');
    Bytes whole;
    for (const ByteView piece : part.pieces) append(whole, piece);
    if (whole.size() != found->second.size_bytes) return std::nullopt;
    if (etag != to_hex(crypto::md5(whole))) return std::nullopt;
    return found->second.etag;
  }

  Bucket& bucket_;
  const std::string key_;
  std::string id_;
  std::map<int, ListedPart> there_;  // of an attempt before; not changed once parts are sent
  Mutex mutex_;
  std::vector<UploadedPart> parts_ GUARDED_BY(mutex_);
};

// Threads that send parts until the queue is closed or one of them fails.
class Senders {
 public:
  Senders(Upload& upload, std::size_t at_once) : upload_(upload), queue_(1) {
    for (std::size_t i = 0; i < std::max<std::size_t>(at_once, 1); ++i) {
      threads_.emplace_back([this] { work(); });
    }
  }
  ~Senders() { queue_.close(); }
  Senders(const Senders&) = delete;
  Senders& operator=(const Senders&) = delete;

  // False when a part has failed and no more is wanted.
  bool give(Part part) { return queue_.push(std::move(part)); }

  Result<void> finish() EXCLUDES(mutex_) {
    queue_.close();
    threads_.clear();
    const MutexLock lock(mutex_);
    if (failure_) return std::unexpected(*std::move(failure_));
    return {};
  }

 private:
  void work() EXCLUDES(mutex_) {
    while (std::optional<Part> part = queue_.pop()) {
      Result<void> sent = upload_.send(*part);
      if (sent) continue;
      const MutexLock lock(mutex_);
      if (!failure_) failure_ = std::move(sent).error();
      queue_.abort();
      return;
    }
  }

  Upload& upload_;
  BoundedQueue<Part> queue_;
  Mutex mutex_;
  std::optional<Error> failure_ GUARDED_BY(mutex_);
  std::vector<std::jthread> threads_;
};

std::uint64_t part_bytes(std::uint64_t size, const UploadOptions& options) {
  return std::max(options.part_bytes, (size + kPartsMax - 1) / kPartsMax);
}

// Whether there is an upload to go on with; then its parts have `each` bytes.
Result<bool> goes_on(const UploadTarget& target, Upload& upload, std::uint64_t size,
                     std::uint64_t& each) {
  auto before = target.unfinished.take(target.key);
  if (!before) return false;
  const bool of_this_run = before->part_bytes > 0;
  if (!of_this_run && target.earlier != Earlier::kGoOn) return false;
  Result<bool> there = upload.go_on(before->id);
  // What cannot be looked at is none of ours.
  if (!of_this_run) return there && *there && upload.has_parts_of(size, each);
  if (!there) {
    target.unfinished.keep(target.key, *std::move(before));
    return there;
  }
  if (*there) each = before->part_bytes;
  return there;
}

// `feed` gives all parts, of so many bytes each, to the senders.
template <typename Feed>
Result<void> run(const UploadTarget& target, std::uint64_t size, const UploadHeaders& headers,
                 const UploadOptions& options, const Feed& feed) {
  Upload upload(target.bucket, target.key);
  std::uint64_t each = part_bytes(size, options);
  if (target.earlier == Earlier::kGoOn) target.unfinished.look_for_earlier(target.bucket);
  if (!TRY(goes_on(target, upload, size, each))) TRY(upload.begin(headers.object));
  const auto work = [&]() -> Result<void> {
    Senders senders(upload, options.at_once);
    Result<void> fed = feed(senders, each);
    Result<void> sent = senders.finish();
    TRY(std::move(fed));
    TRY(std::move(sent));
    return upload.complete(headers.condition);
  };
  Result<void> done = work();
  if (done) return done;
  if (done.error().retryable()) {
    target.unfinished.keep(target.key, {.id = upload.id(), .part_bytes = each});
  } else {
    upload.take_back();
  }
  return done;
}

// The pieces cut anew into runs of so many bytes.
std::vector<Part> cut(std::span<const ByteView> pieces, std::uint64_t bytes_each) {
  std::vector<Part> parts;
  std::uint64_t room = 0;
  for (ByteView piece : pieces) {
    while (!piece.empty()) {
      if (room == 0) {
        parts.push_back({.number = static_cast<int>(parts.size()) + 1, .pieces = {}, .owned = {}});
        room = bytes_each;
      }
      const auto step = static_cast<std::size_t>(std::min<std::uint64_t>(room, piece.size()));
      parts.back().pieces.push_back(piece.first(step));
      piece = piece.subspan(step);
      room -= step;
    }
  }
  return parts;
}

}  // namespace

Result<void> upload_in_parts(const UploadTarget& target, std::span<const ByteView> pieces,
                             const UploadHeaders& headers, const UploadOptions& options) {
  const auto feed = [&](Senders& senders, std::uint64_t each) -> Result<void> {
    for (Part& part : cut(pieces, each)) {
      if (!senders.give(std::move(part))) break;
    }
    return {};
  };
  return run(target, streamed(pieces).size, headers, options, feed);
}

Result<void> upload_in_parts(const UploadTarget& target, const StreamedBytes& bytes,
                             const UploadHeaders& headers, const UploadOptions& options) {
  const auto feed = [&](Senders& senders, std::uint64_t each) -> Result<void> {
    Part part{.number = 1, .pieces = {}, .owned = {}};
    bool wanted = true;
    const auto give = [&] {
      part.pieces.assign(1, part.owned);
      const int next = part.number + 1;
      wanted = senders.give(std::move(part));
      part = Part{.number = next, .pieces = {}, .owned = {}};
    };
    TRY(for_each_piece(bytes, [&](ByteView piece) -> Result<void> {
      while (!piece.empty() && wanted) {
        if (part.owned.empty()) part.owned.reserve(static_cast<std::size_t>(each));
        const std::size_t step =
            std::min<std::size_t>(static_cast<std::size_t>(each) - part.owned.size(), piece.size());
        append(part.owned, piece.first(step));
        piece = piece.subspan(step);
        if (part.owned.size() == each) give();
      }
      return {};
    }));
    if (!part.owned.empty() && wanted) give();
    return {};
  };
  return run(target, bytes.size, headers, options, feed);
}

void UnfinishedUploads::keep(const std::string& key, One upload) {
  const MutexLock lock(mutex_);
  uploads_.insert_or_assign(key, std::move(upload));
}

std::optional<UnfinishedUploads::One> UnfinishedUploads::take(const std::string& key) {
  const MutexLock lock(mutex_);
  auto found = uploads_.extract(key);
  if (found.empty()) return std::nullopt;
  return std::move(found.mapped());
}

void UnfinishedUploads::take_back(Bucket& bucket) {
  std::map<std::string, One> all;
  {
    const MutexLock lock(mutex_);
    all.swap(uploads_);
  }
  for (const auto& [key, upload] : all) {
    if (upload.part_bytes > 0) end_upload(bucket, key, upload.id);
  }
}

// Of one object the youngest counts.
void UnfinishedUploads::look_for_earlier(Bucket& bucket) {
  if (looked_.exchange(true)) return;
  std::map<std::string, Timestamp> begun;
  for (const ListedUpload& one : uploads_below(bucket, kEarlierSecondsMax, Age::kYounger)) {
    const auto [at, first] = begun.try_emplace(one.key, one.begun);
    if (!first && one.begun <= at->second) continue;
    at->second = one.begun;
    const MutexLock lock(mutex_);
    const auto known = uploads_.find(one.key);
    const bool of_this_run = known != uploads_.end() && known->second.part_bytes > 0;
    if (!of_this_run) uploads_.insert_or_assign(one.key, One{.id = one.id, .part_bytes = 0});
  }
}

void end_orphaned_uploads(Bucket& bucket) {
  for (const ListedUpload& one : uploads_below(bucket, kOrphanSeconds, Age::kOlder)) {
    end_upload(bucket, one.key, one.id);
  }
}

}  // namespace backstay::backend::s3
