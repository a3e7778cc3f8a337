#include "backend/s3/upload.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "base/bounded_queue.h"
#include "base/hex.h"
#include "base/mutex.h"
#include "base/try.h"
#include "crypto/sha256.h"

namespace backstay::backend::s3 {
namespace {

constexpr std::uint64_t kPartsMax = 10'000;
// Stores put many parts together before they answer.
constexpr std::chrono::seconds kCompletionSilence{300};

struct Part {
  int number = 0;
  std::vector<ByteView> pieces;
  Bytes owned;  // where the pieces are of a stream
};

// The upload of one object: begun, parts from several threads, completed or taken back.
class Upload {
 public:
  Upload(Bucket& bucket, std::string key) : bucket_(bucket), key_(std::move(key)) {}

  Result<void> begin(const std::vector<http::Header>& headers) {
    const http::Response response = TRY(bucket_.call(
        {.method = "POST", .key = key_, .query = {{"uploads", ""}}, .headers = headers}, {}));
    id_ = TRY(parse_upload_id(response.body));
    return {};
  }

  Result<void> send(const Part& part) EXCLUDES(mutex_) {
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

  // A store that cannot be reached keeps the parts: docs/backends/s3.md has a rule for them.
  void take_back() {
    if (id_.empty()) return;
    static_cast<void>(
        bucket_.call({.method = "DELETE", .key = key_, .query = {{"uploadId", id_}}}).has_value());
  }

 private:
  Bucket& bucket_;
  const std::string key_;
  std::string id_;
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

// `feed` gives all parts to the senders.
template <typename Feed>
Result<void> run(Upload& upload, const UploadHeaders& headers, const UploadOptions& options,
                 const Feed& feed) {
  TRY(upload.begin(headers.object));
  const auto work = [&]() -> Result<void> {
    Senders senders(upload, options.at_once);
    Result<void> fed = feed(senders);
    Result<void> sent = senders.finish();
    TRY(std::move(fed));
    TRY(std::move(sent));
    return upload.complete(headers.condition);
  };
  Result<void> done = work();
  if (!done) upload.take_back();
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

Result<void> upload_in_parts(Bucket& bucket, const std::string& key,
                             std::span<const ByteView> pieces, const UploadHeaders& headers,
                             const UploadOptions& options) {
  Upload upload(bucket, key);
  const std::uint64_t each = part_bytes(streamed(pieces).size, options);
  return run(upload, headers, options, [&](Senders& senders) -> Result<void> {
    for (Part& part : cut(pieces, each)) {
      if (!senders.give(std::move(part))) break;
    }
    return {};
  });
}

Result<void> upload_in_parts(Bucket& bucket, const std::string& key, const StreamedBytes& bytes,
                             const UploadHeaders& headers, const UploadOptions& options) {
  Upload upload(bucket, key);
  const std::uint64_t each = part_bytes(bytes.size, options);
  return run(upload, headers, options, [&](Senders& senders) -> Result<void> {
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
  });
}

}  // namespace backstay::backend::s3
