// An HTTP/1.1 server: plain or TLS 1.2 and later, with kept connections, bodies of any size in both
// directions, and a limit for everything that a stranger could make grow.
//
// A connection that waits for its next request costs no thread: one thread watches all of them. The
// request itself is read and answered by one of a fixed number of threads with calls that block, so
// that who answers may read and write files as it likes. A peer that makes such a thread wait
// longer than its bytes are worth is dropped.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/error.h"
#include "http/server/exchange.h"

namespace backstay::http {

struct ServerLimits {
  std::size_t threads = 32;            // requests that are answered at the same time
  std::size_t connections_max = 1000;  // the longest idle one gives way to a new one
  std::size_t head_bytes_max = 32 * 1024;
  std::chrono::milliseconds head_max{10'000};  // TLS and the head of a request, all together
  std::chrono::milliseconds idle_max{75'000};  // between two requests
  // While a body or an answer is under way: how long nothing may move, and how slow the whole may
  // be: it may keep a thread waiting for `grace` and a second for each `rate_min` bytes.
  std::chrono::milliseconds silence_max{60'000};
  std::chrono::milliseconds grace{60'000};
  std::uint64_t rate_min = 1024;
  // How long requests under way may go on after the stop was asked for.
  std::chrono::milliseconds stop_max{10'000};
};

// What one request came to. The path is as it came, without the query.
struct ServedRequest {
  std::string_view peer;
  std::string_view user;
  std::string_view method;
  std::string_view path;
  int status = 0;  // 0: the peer went away before it was answered
  std::uint64_t bytes_received = 0;
  std::uint64_t bytes_sent = 0;
  double seconds = 0;
};

struct ServerOptions {
  std::string address = "127.0.0.1";  // a number, not a name; "::1"
  std::uint16_t port = 0;             // 0: the kernel's choice
  // With key_file: TLS. Whoever connects after the files have changed is served with what they are
  // now; where that is no certificate with its key, with what they were.
  std::string certificate_file = {};
  std::string key_file = {};
  ServerLimits limits = {};
  // Called by the threads that answer, at the same time. It answers by the exchange; where it does
  // not, the peer is told of an internal error.
  std::function<void(Exchange&)> answer;
  std::function<void(const ServedRequest&)> log = {};  // may be empty
  // What cannot be told to anybody who asks; by the thread in run(). May be empty.
  std::function<void(const Error&)> complain = {};
};

class Server {
 public:
  // Listens; nobody is answered before run(). invalid_argument for what is no address,
  // permission_denied and conflict for one that cannot be had, or for files that are no key.
  static Result<std::unique_ptr<Server>> listen(ServerOptions options);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  [[nodiscard]] std::uint16_t port() const;
  // Serves until a stop is requested, and ends what is under way.
  void run(const std::stop_token& stop);

 private:
  class Core;
  explicit Server(std::unique_ptr<Core> core);
  std::unique_ptr<Core> core_;
};

// "[::1]:8000", "127.0.0.1:0", "8000" (on 127.0.0.1).
struct ListenAddress {
  std::string address;
  std::uint16_t port = 0;
  [[nodiscard]] bool is_loopback() const;
};
Result<ListenAddress> parse_listen_address(std::string_view text);

}  // namespace backstay::http
