#include "backend/served/served_backend.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "backend/open.h"
#include "base/hex.h"
#include "base/try.h"
#include "crypto/hash.h"
#include "http/url.h"

namespace backstay::backend::served {
namespace {

// So many names come in one answer.
constexpr std::size_t kPageNames = 5000;
// A barrier or a listing of a slow disk says nothing for a while.
constexpr std::chrono::seconds kSlowAnswer{600};

std::string query_of(std::string_view value) {
  return http::percent_encoded(value, http::Slashes::kEncoded);
}

std::unexpected<Error> stops_short(std::string_view name, std::uint64_t offset, std::size_t size) {
  return fail(ErrorCode::kCorruption,
              fmt::format("object {} ends before {} + {} bytes", name, offset, size));
}

Result<std::string> hex_digest(std::string_view name, const StreamedBytes& bytes) {
  if (const auto named = digest_in(name)) return std::string(*named);
  crypto::Blake3Stream hash;
  TRY(for_each_piece(bytes, [&](ByteView piece) -> Result<void> {
    hash.update(piece);
    return {};
  }));
  return to_hex(hash.finish().view());
}

// From `offset` on. What comes before is asked for as well: a stream begins at its beginning.
StreamedBytes rest_of(const StreamedBytes& bytes, std::uint64_t offset) {
  return {.size = bytes.size - offset,
          .piece_at = [&bytes, offset](std::uint64_t from) -> Result<ByteView> {
            if (from > 0) return bytes.piece_at(offset + from);
            for (std::uint64_t at = 0;;) {
              const ByteView piece = TRY(bytes.piece_at(at));
              if (offset - at < piece.size()) {
                return piece.subspan(static_cast<std::size_t>(offset - at));
              }
              at += piece.size();
            }
          }};
}

Result<std::uint64_t> number_in(const http::Response& response, std::string_view header) {
  const std::string_view text = response.header(header).value_or("");
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc{} && end == text.data() + text.size()) return number;
  return fail(ErrorCode::kUnavailable, fmt::format("the store server does not say its {}", header));
}

}  // namespace

ServedBackend::ServedBackend(ServedOptions options, Rng& rng)
    : options_(std::move(options)),
      client_({.connections_max = options_.connections_max,
               .ca_file = options_.ca_file,
               .use_proxies = options_.use_proxies,
               .stop = options_.stop}),
      made_up_(rng.next_u64()) {}

Result<std::unique_ptr<ServedBackend>> ServedBackend::open(ServedOptions options, Rng& rng,
                                                           OpenKind kind) {
  std::unique_ptr<ServedBackend> backend(new ServedBackend(std::move(options), rng));
  Result<void> looked = backend->look(kind);
  const bool later = !looked && looked.error().retryable() && kind == OpenKind::kOpen;
  if (!looked && !later) return std::unexpected(std::move(looked).error());
  return backend;
}

http::Request ServedBackend::request(std::string method, std::string_view below) const {
  const Address& address = options_.address;
  http::Request request{
      .method = std::move(method),
      .url = fmt::format("{}/v1/{}{}{}", address.base, query_of(address.repository),
                         below.empty() ? "" : "/", below)};
  if (!options_.token.empty()) {
    request.headers.push_back({"Authorization", "Bearer " + options_.token});
  }
  return request;
}

Result<http::Response> ServedBackend::call(const http::Request& request, std::string_view what) {
  const std::string doing =
      what.empty() ? "asking " + describe() : fmt::format("{} in {}", what, describe());
  http::Response response = TRY_DOING(doing, client_.call(request));
  if (response.succeeded()) return response;
  Error error =
      read_error(response.status, response.header(kCodeHeader).value_or(""), as_text(response.body))
          .with_context(doing);
  if (response.status == 401) {
    return std::unexpected(
        std::move(error).with_hint("Give a token of that server in BACKSTAY_STORE_TOKEN_FILE, "
                                   "BACKSTAY_STORE_TOKEN_COMMAND or BACKSTAY_STORE_TOKEN; "
                                   "'backstay store token add' makes one there."));
  }
  if (error.code() == ErrorCode::kPermissionDenied) {
    return std::unexpected(
        std::move(error).with_hint("The token does not have that right on the store server."));
  }
  return std::unexpected(std::move(error));
}

Result<void> ServedBackend::look(OpenKind kind) {
  Result<http::Response> said = call(request("GET", ""), "");
  const bool missing = !said && said.error().code() == ErrorCode::kNoRepository;
  if (missing && kind == OpenKind::kCreate) said = call(request("POST", ""), "");
  const http::Response response = TRY(std::move(said));
  const StoreState state = TRY_DOING("asking " + describe(), read_state(as_text(response.body)));
  const MutexLock lock(mutex_);
  can_ = state.can;
  can_.over_network = true;
  looked_ = true;
  return {};
}

Result<Space> ServedBackend::space() {
  const http::Response response = TRY(call(request("GET", ""), ""));
  const StoreState state = TRY_DOING("asking " + describe(), read_state(as_text(response.body)));
  if (!state.quota_bytes) return Space{};
  const std::uint64_t used = std::min(state.used_bytes, *state.quota_bytes);
  return Space{.total_bytes = state.quota_bytes, .free_bytes = *state.quota_bytes - used};
}

Result<void> ServedBackend::ready(std::string_view name) {
  TRY(validate_name(name));
  if (looked_) return {};
  return look(OpenKind::kOpen);
}

Capabilities ServedBackend::capabilities() const {
  const MutexLock lock(mutex_);
  return can_;
}

// ---- creating

Result<void> ServedBackend::put(std::string_view name, std::span<const ByteView> pieces) {
  return put_streamed(name, streamed(pieces));
}

Result<void> ServedBackend::put_streamed(std::string_view name, const StreamedBytes& bytes) {
  TRY(ready(name));
  if (bytes.size < options_.resumed_from) return send(name, bytes, "", 0);
  const std::string what =
      fmt::format("{} {} {} {}", made_up_, name, bytes.size, TRY(hex_digest(name, bytes)));
  const std::string upload = crypto::blake3(as_bytes(what)).hex().substr(0, 32);
  bool begun = false;
  {
    const MutexLock lock(mutex_);
    begun = broken_off_.contains(upload);
  }
  const std::uint64_t offset = begun ? TRY(offset_of(upload)) : 0;
  if (offset > bytes.size) return fail(ErrorCode::kInternal, "the server has more than was sent");
  Result<void> sent = send(name, bytes, upload, offset);
  const MutexLock lock(mutex_);
  if (!sent && sent.error().retryable()) {
    constexpr std::size_t kRememberedMax = 1000;  // beyond that an upload begins anew
    if (broken_off_.size() < kRememberedMax) broken_off_.insert(upload);
  } else {
    broken_off_.erase(upload);
  }
  return sent;
}

Result<std::uint64_t> ServedBackend::offset_of(const std::string& upload) {
  const auto said = call(request("GET", "uploads/" + upload), "the upload");
  if (!said && said.error().code() == ErrorCode::kNotFound) return 0;
  if (!said) return std::unexpected(said.error().clone());
  return number_in(*said, kOffsetHeader);
}

Result<void> ServedBackend::send(std::string_view name, const StreamedBytes& bytes,
                                 const std::string& upload, std::uint64_t offset) {
  http::Request put = request("PUT", "objects/" + std::string(name));
  put.headers.push_back({std::string(kDigestHeader), TRY(hex_digest(name, bytes))});
  if (!upload.empty()) {
    put.headers.push_back({std::string(kUploadHeader), upload});
    put.headers.push_back({std::string(kOffsetHeader), std::to_string(offset)});
    put.headers.push_back({std::string(kSizeHeader), std::to_string(bytes.size)});
  }
  const StreamedBytes rest = rest_of(bytes, offset);
  put.body = offset == 0 ? &bytes : &rest;
  put.silence_max = kSlowAnswer;
  TRY(call(put, name));
  return {};
}

Result<void> ServedBackend::barrier() {
  const MutexLock lock(barrier_mutex_);
  if (!removed_.exchange(false)) return {};
  http::Request ask = request("POST", "barrier");
  ask.silence_max = kSlowAnswer;
  Result<http::Response> said = call(ask, "what was removed");
  if (said) return {};
  removed_ = true;
  return std::unexpected(std::move(said).error());
}

Result<void> ServedBackend::adopt(std::string_view name) {
  TRY(ready(name));
  http::Request ask = request("POST", "adopt?name=" + query_of(name));
  ask.silence_max = kSlowAnswer;
  TRY(call(ask, name));
  return {};
}

Result<void> ServedBackend::adopt_names(std::string_view prefix) {
  TRY(validate_prefix(prefix));
  http::Request ask = request("POST", "adopt?prefix=" + query_of(prefix));
  ask.silence_max = kSlowAnswer;
  TRY(call(ask, prefix));
  return {};
}

// ---- reading

Result<Bytes> ServedBackend::get(std::string_view name, std::uint64_t size_max) {
  TRY(ready(name));
  http::Request ask = request("GET", "objects/" + std::string(name));
  ask.answer_max = size_max;
  Result<http::Response> said = call(ask, name);
  if (said) return std::move(said->body);
  if (!said.error().retryable()) return std::unexpected(std::move(said).error());
  // It may have broken off where the object is damaged: in parts that is told apart.
  const ObjectInfo info = TRY(head(name));
  if (info.size_bytes == 0 || info.size_bytes > size_max) {
    return std::unexpected(std::move(said).error());
  }
  Bytes bytes(static_cast<std::size_t>(info.size_bytes));
  TRY(get_range(name, 0, bytes));
  return bytes;
}

Result<void> ServedBackend::get_range(std::string_view name, std::uint64_t offset,
                                      MutableByteView out) {
  TRY(ready(name));
  if (out.empty() || offset > ~std::uint64_t{0} - out.size()) {
    const ObjectInfo info = TRY(head(name));
    if (out.empty() && offset <= info.size_bytes) return {};
    return stops_short(name, offset, out.size());
  }
  // An answer that breaks off is gone on with as long as more comes. What is damaged is then the
  // first that is asked for, and the server can say so.
  for (std::size_t got = 0;;) {
    const std::size_t before = got;
    Result<void> read = read_on(name, offset, out, got);
    const bool goes_on = !read && read.error().retryable() && got > before && got < out.size();
    if (!goes_on) return read;
  }
}

Result<void> ServedBackend::read_on(std::string_view name, std::uint64_t offset,
                                    MutableByteView out, std::size_t& got) {
  http::Request ask = request("GET", "objects/" + std::string(name));
  ask.headers.push_back(
      {"Range", fmt::format("bytes={}-{}", offset + got, offset + out.size() - 1)});
  ask.sink = [&](ByteView piece) -> Result<void> {
    if (piece.size() > out.size() - got) {
      return fail(ErrorCode::kUnavailable, "the answer is longer than what was asked for");
    }
    std::ranges::copy(piece, out.begin() + static_cast<std::ptrdiff_t>(got));
    got += piece.size();
    return {};
  };
  const http::Response said = TRY(call(ask, name));
  if (said.status != 206) return fail(ErrorCode::kUnavailable, "the store server gives no ranges");
  if (got != out.size()) return stops_short(name, offset, out.size());
  return {};
}

Result<ObjectInfo> ServedBackend::head(std::string_view name) {
  TRY(ready(name));
  const http::Response said = TRY(call(request("HEAD", "objects/" + std::string(name)), name));
  return ObjectInfo{.name = std::string(name),
                    .size_bytes = TRY(number_in(said, "content-length")),
                    .modified = TRY(read_time(said.header(kModifiedHeader).value_or("")))};
}

struct ServedBackend::Page {
  std::vector<ObjectInfo> objects;
  bool last = false;
};

Result<ServedBackend::Page> ServedBackend::list_page(std::string_view prefix,
                                                     const std::string& after) {
  http::Request ask = request("GET", fmt::format("list?prefix={}&after={}&limit={}",
                                                 query_of(prefix), query_of(after), kPageNames));
  ask.silence_max = kSlowAnswer;
  ask.answer_max = kPageNames * 300;
  const http::Response said = TRY(call(ask, prefix));
  Page page;
  std::string_view text = as_text(said.body);
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line == kListEnd) {
      page.last = true;
    } else {
      page.objects.push_back(TRY(read_listed(line)));
      if (!page.objects.back().name.starts_with(prefix)) {
        return fail(ErrorCode::kUnavailable, "the store server lists what was not asked for");
      }
    }
  }
  if (!page.last && page.objects.empty()) {
    return fail(ErrorCode::kUnavailable, "the store server's listing does not go on");
  }
  return page;
}

// In pages, so that nobody waits while `each` works.
Result<void> ServedBackend::list(std::string_view prefix,
                                 const std::function<Result<void>(const ObjectInfo&)>& each) {
  TRY(validate_prefix(prefix));
  std::string after;
  for (;;) {
    const Page page = TRY(list_page(prefix, after));
    for (const ObjectInfo& info : page.objects) TRY(each(info));
    if (page.last) return {};
    after = page.objects.back().name;
  }
}

Result<Timestamp> ServedBackend::store_time() {
  const http::Response said = TRY(call(request("GET", "time"), "the time"));
  return read_time(said.header(kTimeHeader).value_or(""));
}

// ---- removing and keeping

Result<void> ServedBackend::remove(std::string_view name) {
  TRY(ready(name));
  const auto said = call(request("DELETE", "objects/" + std::string(name)), name);
  // Whatever it answered, it may have been done; and a barrier meanwhile did not cover it.
  removed_ = true;
  if (!said) return std::unexpected(said.error().clone());
  return {};
}

Result<void> ServedBackend::retain(std::string_view name, Timestamp until) {
  TRY(ready(name));
  TRY(call(request("PUT", fmt::format("retention/{}?until={}", name, write_time(until))), name));
  return {};
}

Result<std::optional<Timestamp>> ServedBackend::retention(std::string_view name) {
  TRY(ready(name));
  const http::Response said = TRY(call(request("GET", "retention/" + std::string(name)), name));
  const auto until = said.header(kRetainedHeader);
  if (!until) return std::nullopt;
  return TRY(read_time(*until));
}

Result<void> ServedBackend::set_append_only(AppendOnly /*mode*/) {
  return std::unexpected(
      Error(
          ErrorCode::kPermissionDenied,
          describe() + " is made append-only by whoever runs its store server, and by nobody else")
          .with_hint("There, run 'backstay store serve' with --append-only, or 'backstay "
                     "append-only on' for the repository's folder."));
}

}  // namespace backstay::backend::served
