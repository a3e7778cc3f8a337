#include "http/curl_call.h"

#include <sys/socket.h>

#include <algorithm>

#include "base/try.h"

namespace backstay::http {
namespace {

constexpr long kBufferBytes = 512 * 1024;

int on_progress(void* stop, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<const std::stop_token*>(stop)->stop_requested() ? 1 : 0;
}

// Programs that are started meanwhile must not hold connections open.
curl_socket_t on_open_socket(void*, curlsocktype, curl_sockaddr* address) {
  return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

}  // namespace

// ---- bodies

void BodySource::send(const CurlLibrary& curl, CURL* handle, const StreamedBytes& bytes,
                      std::uint64_t from) {
  const auto set = [&](CURLoption option, auto value) { curl.easy_setopt(handle, option, value); };
  bytes_ = &bytes;
  from_ = from;
  set(CURLOPT_UPLOAD, 1L);
  set(CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(bytes.size - from));
  set(CURLOPT_READFUNCTION, &BodySource::on_read);
  set(CURLOPT_READDATA, static_cast<void*>(this));
  set(CURLOPT_SEEKFUNCTION, &BodySource::on_seek);
  set(CURLOPT_SEEKDATA, static_cast<void*>(this));
}

std::size_t BodySource::on_read(char* out, std::size_t size, std::size_t count, void* self) {
  auto& source = *static_cast<BodySource*>(self);
  Result<std::size_t> given = source.give({reinterpret_cast<std::uint8_t*>(out), size * count});
  if (given) return *given;
  source.failure_ = std::move(given).error();
  return CURL_READFUNC_ABORT;
}

// Streams are asked for in order, so what comes before `from_` is asked for, too.
Result<std::size_t> BodySource::give(MutableByteView out) {
  std::size_t given = 0;
  while (given < out.size() && (!piece_.empty() || at_ < bytes_->size)) {
    if (piece_.empty()) {
      piece_ = TRY(bytes_->piece_at(at_));
      if (at_ < from_) {
        const std::uint64_t skipped = std::min<std::uint64_t>(piece_.size(), from_ - at_);
        at_ += skipped;
        piece_ = piece_.subspan(static_cast<std::size_t>(skipped));
        continue;
      }
    }
    const std::size_t step = std::min(piece_.size(), out.size() - given);
    std::copy_n(piece_.begin(), step, out.begin() + static_cast<std::ptrdiff_t>(given));
    piece_ = piece_.subspan(step);
    given += step;
    at_ += step;
  }
  return given;
}

int BodySource::on_seek(void* self, curl_off_t offset, int origin) {
  const bool unsent =
      origin == SEEK_SET && offset == 0 && static_cast<const BodySource*>(self)->at_ == 0;
  return unsent ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL;
}

// ---- options and failures

void set_call_options(const CurlLibrary& curl, CURL* handle, const CallOptions& options) {
  const auto set = [&](CURLoption option, auto value) { curl.easy_setopt(handle, option, value); };
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_URL, options.url.c_str());
  set(CURLOPT_PATH_AS_IS, 1L);  // what was signed is what is sent
  set(CURLOPT_TCP_KEEPALIVE, 1L);
  set(CURLOPT_TCP_KEEPIDLE, 30L);
  set(CURLOPT_TCP_KEEPINTVL, 15L);
  set(CURLOPT_BUFFERSIZE, kBufferBytes);
  set(CURLOPT_UPLOAD_BUFFERSIZE, kBufferBytes);
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options.connect_max.count()));
  set(CURLOPT_LOW_SPEED_LIMIT, 1L);
  set(CURLOPT_LOW_SPEED_TIME, static_cast<long>(options.silence_max.count()));
  if (!options.ca_file.empty()) set(CURLOPT_CAINFO, options.ca_file.c_str());
  set(CURLOPT_NOPROGRESS, 0L);
  set(CURLOPT_XFERINFOFUNCTION, &on_progress);
  set(CURLOPT_XFERINFODATA, static_cast<const void*>(&options.stop));
  set(CURLOPT_OPENSOCKETFUNCTION, &on_open_socket);
}

std::optional<Error> common_error(CURLcode code, const std::string& what) {
  switch (code) {
    case CURLE_ABORTED_BY_CALLBACK:
      return Error(ErrorCode::kCancelled, "it was cancelled");
    case CURLE_URL_MALFORMAT:
      return Error(ErrorCode::kInvalidArgument, what);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CERTPROBLEM:
      return Error(ErrorCode::kPermissionDenied, what)
          .with_hint(
              "The server's certificate must be for the name in the URL, and by an authority "
              "that is trusted: BACKSTAY_CA_FILE names a file with one of your own.");
    default:
      return std::nullopt;
  }
}

}  // namespace backstay::http
