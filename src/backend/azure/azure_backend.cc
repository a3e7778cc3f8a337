#include "backend/azure/azure_backend.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <thread>

#include "backend/azure/answers.h"
#include "backend/azure/failure.h"
#include "backend/azure/signature.h"
#include "backend/open.h"
#include "base/base64.h"
#include "base/bounded_queue.h"
#include "base/hex.h"
#include "base/try.h"
#include "crypto/md5.h"
#include "http/date.h"

namespace backstay::backend::azure {
namespace {

// Of Azurite 3 and of Azure since 2021; earlier ones have smaller blocks.
constexpr std::string_view kVersion = "2021-12-02";
constexpr std::uint64_t kBlocksMax = 50'000;
// learn.microsoft.com/azure/storage/blobs/scalability-targets: 50,000 blocks of 4,000 MiB.
constexpr std::uint64_t kBlobBytesMax = kBlocksMax * (std::uint64_t{4000} << 20);

std::unexpected<Error> refuse_taken(const std::string& name) {
  return fail(ErrorCode::kAlreadyExists, fmt::format("object {} is there already", name));
}

std::unexpected<Error> too_short(std::string_view name, std::uint64_t offset, std::size_t size) {
  return fail(ErrorCode::kCorruption,
              fmt::format("object {} ends before {} + {} bytes", name, offset, size));
}

// As it stands in a URL.
std::string query_text(const http::Parameters& query) {
  std::string text;
  for (const auto& [name, value] : query) {
    text += fmt::format("{}{}={}", text.empty() ? "?" : "&",
                        http::percent_encoded(name, http::Slashes::kEncoded),
                        http::percent_encoded(value, http::Slashes::kEncoded));
  }
  return text;
}

Result<std::uint64_t> length_in(const http::Response& response) {
  const std::string_view text = response.header("content-length").value_or("");
  std::uint64_t size = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
  if (error == std::errc{} && end == text.data() + text.size()) return size;
  return fail(ErrorCode::kUnavailable, "the store does not say how large the object is");
}

struct Block {
  std::string id;
  Bytes bytes;
};

// Gives all bytes to `give` in runs of so many, until it says that no more is wanted.
template <typename Give>
Result<void> for_each_block(const StreamedBytes& bytes, std::uint64_t each, const Give& give) {
  const auto size = static_cast<std::size_t>(each);
  Bytes block;
  bool wanted = true;
  TRY(for_each_piece(bytes, [&](ByteView piece) -> Result<void> {
    while (!piece.empty() && wanted) {
      if (block.empty()) block.reserve(size);
      const std::size_t step = std::min(size - block.size(), piece.size());
      append(block, piece.first(step));
      piece = piece.subspan(step);
      if (block.size() < size) continue;
      wanted = give(std::move(block));
      block = Bytes();
    }
    return {};
  }));
  if (wanted && !block.empty()) give(std::move(block));
  return {};
}

}  // namespace

// ---- calls

Result<std::unique_ptr<AzureBackend>> AzureBackend::open(AzureOptions options, OpenKind kind,
                                                         const Clock& clock, Rng& rng) {
  std::unique_ptr<AzureBackend> backend(new AzureBackend(std::move(options), clock, rng));
  TRY(backend->look_at_container(kind));
  return backend;
}

Result<void> AzureBackend::look_at_container(OpenKind kind) {
  const Call look{.query = {{"restype", "container"}, {"comp", "list"}, {"maxresults", "1"}}};
  auto there = call(look);
  const bool missing = !there && there.error().code() == ErrorCode::kNoRepository;
  if (missing && kind == OpenKind::kCreate) {
    const auto made =
        call({.method = "PUT", .query = {{"restype", "container"}}, .body = ByteView()});
    if (!made && made.error().code() != ErrorCode::kInvalidArgument) {
      return std::unexpected(made.error().clone());
    }
    there = call(look);
  }
  if (there) return {};
  return std::unexpected(std::move(there).error());
}

Result<http::Response> AzureBackend::call(const Call& call) {
  const Address& address = options_.address;
  UnsignedRequest request{.method = call.method,
                          .path = address.path_to_container(),
                          .query = call.query,
                          .headers = call.headers,
                          .body_bytes = call.body ? call.body->size() : 0};
  if (!call.blob.empty()) {
    request.path += "/" + http::percent_encoded(address.prefix + call.blob, http::Slashes::kStay);
  }
  request.headers.push_back({"x-ms-version", std::string(kVersion)});
  request.headers.push_back({"x-ms-date", http_date(clock_.now())});
  http::Request out{.method = call.method, .sink = call.sink, .answer_max = call.answer_max};
  out.headers = request.headers;
  http::Parameters query = call.query;
  if (options_.key.empty()) {
    query.insert(query.end(), options_.sas.begin(), options_.sas.end());
  } else {
    out.headers.push_back({"Authorization", authorization(request, address.account, options_.key)});
  }
  out.url = fmt::format("{}://{}{}{}", address.scheme, address.authority(), request.path,
                        query_text(query));
  const ByteView body = call.body.value_or(ByteView());
  const StreamedBytes bytes = streamed({&body, 1});
  if (call.body) out.body = &bytes;
  http::Response response = TRY_DOING("asking " + describe(), client_.call(out));
  if (const auto date = http::parse_http_date(response.header("date").value_or(""))) {
    const MutexLock lock(mutex_);
    last_answered_ = *date;
  }
  if (response.succeeded()) return response;
  const std::string what =
      call.blob.empty() ? describe() : fmt::format("{} in {}", call.blob, describe());
  return std::unexpected(failure_of(response, what));
}

// ---- creating

Result<void> AzureBackend::put(std::string_view name, std::span<const ByteView> pieces) {
  return put_streamed(name, streamed(pieces));
}

Result<void> AzureBackend::put_streamed(std::string_view name, const StreamedBytes& bytes) {
  TRY(validate_name(name));
  const std::string blob(name);
  if (bytes.size > options_.block_bytes) return create_in_blocks(blob, bytes);
  const Bytes all = TRY(gathered(bytes));
  return create_at_once(blob, all);
}

// The store compares the sum with what arrives, and keeps it beside the blob.
Result<void> AzureBackend::put_whole(const std::string& name, ByteView bytes,
                                     http::Header condition) {
  const http::Response response =
      TRY(call({.method = "PUT",
                .blob = name,
                .headers = {{"x-ms-blob-type", "BlockBlob"},
                            {"Content-MD5", to_base64(crypto::md5(bytes))},
                            std::move(condition)},
                .body = bytes}));
  const MutexLock lock(mutex_);
  versions_ = response.header("x-ms-version-id") ? Answer::kYes : Answer::kNo;
  return {};
}

Result<void> AzureBackend::create_at_once(const std::string& name, ByteView bytes) {
  const auto created = put_whole(name, bytes, {"If-None-Match", "*"});
  if (created) return {};
  if (created.error().code() == ErrorCode::kAlreadyExists) return refuse_taken(name);
  return std::unexpected(created.error().clone());
}

Result<void> AzureBackend::put_block(const std::string& name, const std::string& id,
                                     ByteView bytes) {
  TRY(call({.method = "PUT",
            .blob = name,
            .query = {{"blockid", id}, {"comp", "block"}},
            .headers = {{"Content-MD5", to_base64(crypto::md5(bytes))}},
            .body = bytes}));
  return {};
}

// Blocks that nobody commits go by themselves, after a week or when another list is committed; so
// who creates the same name at the same moment may find his gone, and the name taken.
Result<void> AzureBackend::create_in_blocks(const std::string& name, const StreamedBytes& bytes) {
  const auto before = head(name);
  if (before) return refuse_taken(name);
  if (before.error().code() != ErrorCode::kNotFound) return std::unexpected(before.error().clone());
  const std::uint64_t each =
      std::max(options_.block_bytes, (bytes.size + kBlocksMax - 1) / kBlocksMax);
  Bytes random(8);
  rng_.fill(random);
  std::vector<std::string> ids;
  BoundedQueue<Block> queue(1);
  Mutex mutex;
  std::optional<Error> failure;
  Result<void> fed;
  {
    std::vector<std::jthread> senders;
    for (std::size_t i = 0; i < std::max<std::size_t>(options_.blocks_at_once, 1); ++i) {
      senders.emplace_back([&] {
        while (const std::optional<Block> block = queue.pop()) {
          Result<void> sent = put_block(name, block->id, block->bytes);
          if (sent) continue;
          const MutexLock lock(mutex);
          if (!failure) failure = std::move(sent).error();
          queue.abort();
          return;
        }
      });
    }
    fed = for_each_block(bytes, each, [&](Bytes block) {
      ids.push_back(to_base64(as_bytes(fmt::format("{}-{:06}", to_hex(random), ids.size()))));
      return queue.push({ids.back(), std::move(block)});
    });
    queue.close();
  }
  TRY(std::move(fed));
  if (failure) return std::unexpected(*std::move(failure));
  const std::string list = block_list_body(ids);
  const auto committed = call({.method = "PUT",
                               .blob = name,
                               .query = {{"comp", "blocklist"}},
                               .headers = {{"If-None-Match", "*"}},
                               .body = as_bytes(list)});
  if (committed) return {};
  if (committed.error().code() == ErrorCode::kAlreadyExists) return refuse_taken(name);
  return std::unexpected(committed.error().clone());
}

// ---- reading

Result<Bytes> AzureBackend::get(std::string_view name, std::uint64_t size_max) {
  TRY(validate_name(name));
  http::Response response = TRY_DOING(fmt::format("reading {}", name),
                                      call({.blob = std::string(name), .answer_max = size_max}));
  return std::move(response.body);
}

Result<void> AzureBackend::get_range(std::string_view name, std::uint64_t offset,
                                     MutableByteView out) {
  TRY(validate_name(name));
  if (out.empty() || offset > ~std::uint64_t{0} - out.size()) {
    if (TRY(head(name)).size_bytes < offset || !out.empty()) {
      return too_short(name, offset, out.size());
    }
    return {};
  }
  std::size_t got = 0;
  Call range{.blob = std::string(name)};
  range.headers.push_back(
      {"x-ms-range", fmt::format("bytes={}-{}", offset, offset + out.size() - 1)});
  range.sink = [&](ByteView piece) -> Result<void> {
    if (piece.size() > out.size() - got) {
      return fail(ErrorCode::kUnsupported, "the store gives more than was asked for");
    }
    std::ranges::copy(piece, out.begin() + static_cast<std::ptrdiff_t>(got));
    got += piece.size();
    return {};
  };
  const http::Response response = TRY_DOING(fmt::format("reading {}", name), call(range));
  if (got < out.size()) return too_short(name, offset, out.size());
  if (response.status != 206 && offset != 0) {
    return fail(ErrorCode::kUnsupported,
                fmt::format("{} gives no part of {} but the whole", describe(), name));
  }
  return {};
}

Result<ObjectInfo> AzureBackend::head(std::string_view name) {
  TRY(validate_name(name));
  const http::Response response = TRY(call({.method = "HEAD", .blob = std::string(name)}));
  return ObjectInfo{
      .name = std::string(name),
      .size_bytes = TRY(length_in(response)),
      .modified = TRY(http::parse_http_date(response.header("last-modified").value_or("")))};
}

Result<void> AzureBackend::list(std::string_view prefix,
                                const std::function<Result<void>(const ObjectInfo&)>& each) {
  TRY(validate_prefix(prefix));
  const std::string& ours = options_.address.prefix;
  const std::string wanted = ours + std::string(prefix);
  std::string marker;
  for (;;) {
    Call page_call{.query = {{"comp", "list"}, {"restype", "container"}}};
    if (!marker.empty()) page_call.query.emplace_back("marker", marker);
    if (options_.page_blobs > 0) {
      page_call.query.emplace_back("maxresults", std::to_string(options_.page_blobs));
    }
    if (!wanted.empty()) page_call.query.emplace_back("prefix", wanted);
    const std::string doing = fmt::format("listing '{}'", prefix);
    const http::Response response = TRY_DOING(doing, call(page_call));
    const BlobPage page = TRY_DOING(doing, parse_blobs(response.body));
    for (const ListedBlob& blob : page.blobs) {
      if (!blob.name.starts_with(wanted)) {
        return fail(ErrorCode::kUnsupported, describe() + " lists what was not asked for");
      }
      std::string name = blob.name.substr(ours.size());
      // What others put there is none of ours.
      if (!validate_name(name)) continue;
      TRY(each({std::move(name), blob.size_bytes, blob.modified}));
    }
    if (page.next.empty()) return {};
    if (page.next == marker) return fail(ErrorCode::kUnavailable, "the store's list does not end");
    marker = page.next;
  }
}

Result<void> AzureBackend::remove(std::string_view name) {
  TRY(validate_name(name));
  const auto removed = call({.method = "DELETE", .blob = std::string(name)});
  if (removed || removed.error().code() == ErrorCode::kNotFound) return {};
  return std::unexpected(removed.error().clone());
}

// ---- what the store says of itself

Result<std::string> AzureBackend::mark(std::string_view name) {
  TRY(validate_replaceable(name));
  const http::Response response = TRY(call({.method = "HEAD", .blob = std::string(name)}));
  if (const auto etag = response.header("etag")) return std::string(*etag);
  return fail(ErrorCode::kUnsupported, describe() + " gives blobs no ETag");
}

Result<void> AzureBackend::replace(std::string_view name, std::string_view mark, ByteView bytes) {
  TRY(validate_replaceable(name));
  Result<void> replaced = put_whole(std::string(name), bytes, {"If-Match", std::string(mark)});
  if (replaced || replaced.error().code() != ErrorCode::kAlreadyExists) return replaced;
  return fail(ErrorCode::kConflict, replaced.error().describe());
}

Result<Answer> AzureBackend::versions() {
  const MutexLock lock(mutex_);
  return versions_;
}

Result<Timestamp> AzureBackend::store_time() {
  // Any answer has the time, also that there is no such object.
  const auto asked = head("config");
  if (!asked && asked.error().code() != ErrorCode::kNotFound) {
    return std::unexpected(asked.error().clone());
  }
  const MutexLock lock(mutex_);
  if (last_answered_) return *last_answered_;
  return fail(ErrorCode::kUnsupported, describe() + " does not tell the time");
}

Capabilities AzureBackend::capabilities() const {
  return {.conditional_create = true,
          .lists_at_once = true,
          .server_time = true,
          .over_network = true,
          .object_bytes_max = kBlobBytesMax,
          .object_lock = false,
          .lock_by_store = false,
          .append_only = false};
}

}  // namespace backstay::backend::azure
