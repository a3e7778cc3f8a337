// HTTP requests over kept connections, by libcurl, which is loaded at the first request.
//
// A call blocks until its answer is whole; several threads may call. Each call in flight has a
// connection of its own, and connections are kept for later calls. Redirects are answers like
// any other: nobody is sent elsewhere with credentials.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/streamed_bytes.h"

namespace backstay::http {

struct Header {
  std::string name;  // in lower case in answers
  std::string value;
};

struct Request {
  std::string method = "GET";
  std::string url = {};              // as it goes out: encoded
  std::vector<Header> headers = {};  // Host and Content-Length come by themselves
  // What is sent; null for none. It must outlive the call. It is sent once: when the connection
  // breaks before the answer, nobody knows whether it was received, and the call is unavailable.
  const StreamedBytes* body = nullptr;
  // An answer that succeeded (2xx) is given to `sink` piece by piece, where there is one; its
  // failure ends the call. Otherwise it lands in Response::body: invalid_argument when it is
  // larger than `answer_max`.
  std::function<Result<void>(ByteView)> sink = {};
  std::uint64_t answer_max = 1 << 20;
  // How long nothing at all may come or go; the sum of a call has no limit.
  std::chrono::seconds silence_max{60};
};

struct Response {
  int status = 0;
  std::vector<Header> headers;
  Bytes body;  // of an answer that did not succeed: its first 64 KiB

  [[nodiscard]] bool succeeded() const { return status / 100 == 2; }
  // The first header of that name (lower case), or nothing.
  [[nodiscard]] std::optional<std::string_view> header(std::string_view name) const;
  // How long Retry-After asks to wait, at most ten minutes; 0 where nothing asks for it, or gives
  // the time when it ends, which no store was seen to do.
  [[nodiscard]] std::uint32_t retry_after_ms() const;
};

struct ClientOptions {
  std::size_t connections_max = 16;  // calls beyond that wait for one that ends
  std::chrono::milliseconds connect_max{15'000};
  std::string ca_file = {};   // PEM; empty: the system's
  bool use_proxies = true;    // as http_proxy, https_proxy and no_proxy say
  std::stop_token stop = {};  // ends calls within about a second, with `cancelled`
};

class Client {
 public:
  explicit Client(ClientOptions options);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // An answer of any status is a success. unavailable when nobody answers, or the connection
  // breaks; permission_denied when the certificate is not to be trusted; cancelled; unsupported
  // without libcurl; invalid_argument for a URL that is none.
  Result<Response> call(const Request& request);

  // How many connections were opened so far.
  [[nodiscard]] std::uint64_t connections_made() const;

 private:
  class Pool;
  const ClientOptions options_;
  std::unique_ptr<Pool> pool_;
};

}  // namespace backstay::http
