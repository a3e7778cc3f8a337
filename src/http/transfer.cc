#include "http/transfer.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/try.h"
#include "http/url.h"

namespace backstay::http {
namespace {

constexpr std::size_t kFailedBodyMax = 64 * 1024;
constexpr std::size_t kHeadersMax = 200;

// Only where it went: the query of a URL may hold what nobody should read.
std::string shown(std::string_view url) {
  return std::string(url.substr(0, url.find('?')));
}

}  // namespace

Result<Response> Transfer::run() {
  curl_slist* const headers = TRY(header_list());
  char detail[CURL_ERROR_SIZE] = "";
  curl_.easy_reset(handle_);
  curl_.easy_setopt(handle_, CURLOPT_ERRORBUFFER, detail);
  set_options(headers);
  set_method();
  const CURLcode code = curl_.easy_perform(handle_);
  curl_.easy_setopt(handle_, CURLOPT_ERRORBUFFER, nullptr);
  curl_.slist_free_all(headers);
  if (failure_) return std::unexpected(*std::move(failure_));
  // A server that refuses before it has read everything may close the connection: its answer
  // counts.
  const bool refused = code == CURLE_SEND_ERROR && response_.status >= 400;
  if (code != CURLE_OK && !refused) {
    return std::unexpected(
        error_of(code, detail).with_context(request_.method + " " + shown(request_.url)));
  }
  return std::move(response_);
}

void Transfer::set_options(curl_slist* headers) {
  const auto set = [&](CURLoption option, auto value) {
    curl_.easy_setopt(handle_, option, value);
  };
  set_call_options(curl_, handle_,
                   {.url = request_.url,
                    .ca_file = options_.ca_file,
                    .stop = options_.stop,
                    .connect_max = options_.connect_max,
                    .silence_max = request_.silence_max});
  set(CURLOPT_HTTPHEADER, headers);
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
  set(CURLOPT_HEADERFUNCTION, &Transfer::on_header);
  set(CURLOPT_HEADERDATA, static_cast<void*>(this));
  set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  set(CURLOPT_WRITEFUNCTION, &Transfer::on_body);
  set(CURLOPT_WRITEDATA, static_cast<void*>(this));
  if (!options_.use_proxies) set(CURLOPT_PROXY, "");
}

void Transfer::set_method() {
  const auto set = [&](CURLoption option, auto value) {
    curl_.easy_setopt(handle_, option, value);
  };
  if (request_.body != nullptr) {
    source_.send(curl_, handle_, *request_.body);
    // Where there is nothing to rewind, only a new connection keeps it from sending twice.
    if (request_.body->size == 0) set(CURLOPT_FRESH_CONNECT, 1L);
  } else if (request_.method == "HEAD") {
    set(CURLOPT_NOBODY, 1L);
    return;
  }
  set(CURLOPT_CUSTOMREQUEST, request_.method.c_str());
}

Result<curl_slist*> Transfer::header_list() const {
  // Without these three libcurl would add some of its own.
  curl_slist* list = nullptr;
  const auto add = [&](const std::string& line) {
    curl_slist* const longer = curl_.slist_append(list, line.c_str());
    if (longer == nullptr) curl_.slist_free_all(list);
    list = longer;
    return longer != nullptr;
  };
  bool added = add("Expect:") && add("User-Agent: backstay") && add("Accept: */*");
  for (const Header& header : request_.headers) {
    if (header.value.find_first_of("\r\n") != std::string::npos) {
      curl_.slist_free_all(list);
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("the header {} has a line break in it", header.name));
    }
    // A header without a value is sent when a semicolon ends it.
    added = added && add(header.value.empty() ? header.name + ";"
                                              : fmt::format("{}: {}", header.name, header.value));
  }
  if (!added) return fail(ErrorCode::kUnavailable, "there is no memory for a request");
  return list;
}

Error Transfer::error_of(CURLcode code, const char* detail) const {
  const std::string what = *detail != '\0' ? detail : curl_.easy_strerror(code);
  if (auto common = common_error(code, what)) return *std::move(common);
  switch (code) {
    case CURLE_UNSUPPORTED_PROTOCOL:
      return {ErrorCode::kInvalidArgument, what};
    case CURLE_SSL_CONNECT_ERROR:
      // What OpenSSL says of a signature by another key than that of the authority it knows.
      if (!what.contains("asn1 encoding routines")) return {ErrorCode::kUnavailable, what};
      return Error(ErrorCode::kPermissionDenied,
                   "the server's certificate is not signed by the authority that it names")
          .with_hint("BACKSTAY_CA_FILE names an authority of that name, but another one.");
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
      return Error(ErrorCode::kUnavailable, what)
          .with_hint("Is the address right, and does the server run?");
    default:
      return {ErrorCode::kUnavailable, what};
  }
}

std::size_t Transfer::on_header(char* data, std::size_t size, std::size_t count, void* self) {
  static_cast<Transfer*>(self)->take_header({data, size * count});
  return size * count;
}

void Transfer::take_header(std::string_view line) {
  while (line.ends_with('\n') || line.ends_with('\r')) line.remove_suffix(1);
  if (line.starts_with("HTTP/")) {  // also after a 100: what came before was no answer
    response_.headers.clear();
    response_.status = 0;
    const std::size_t blank = std::min(line.size(), line.find(' '));
    const std::string_view number = line.substr(std::min(line.size(), blank + 1), 3);
    std::from_chars(number.data(), number.data() + number.size(), response_.status);
    return;
  }
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || response_.headers.size() == kHeadersMax) return;
  Header header{.name = std::string(line.substr(0, colon)), .value = {}};
  std::ranges::transform(header.name, header.name.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  std::string_view value = line.substr(colon + 1);
  while (value.starts_with(' ')) value.remove_prefix(1);
  while (value.ends_with(' ')) value.remove_suffix(1);
  header.value = value;
  response_.headers.push_back(std::move(header));
}

std::size_t Transfer::on_body(char* data, std::size_t size, std::size_t count, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  Result<void> taken = transfer.take_body(as_bytes({data, size * count}));
  if (taken) return size * count;
  transfer.failure_ = std::move(taken).error();
  return size * count == 0 ? 1 : 0;
}

Result<void> Transfer::take_body(ByteView piece) {
  Bytes& body = response_.body;
  if (!response_.succeeded()) {
    append(body, piece.first(std::min(piece.size(), kFailedBodyMax - body.size())));
    return {};
  }
  if (request_.sink) return request_.sink(piece);
  if (piece.size() > request_.answer_max - body.size()) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("the answer is larger than {} bytes", request_.answer_max));
  }
  append(body, piece);
  return {};
}

}  // namespace backstay::http
