#include "http/server/server.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <charconv>
#include <deque>
#include <set>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/try.h"
#include "http/server/session.h"
#include "http/server/sockets.h"
#include "io/file.h"

// What Asio returns is in the argument as well.
// NOLINTBEGIN(bugprone-unused-return-value)
namespace backstay::http {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using SystemCode = boost::system::error_code;
using SteadyTime = std::chrono::steady_clock::time_point;

struct Connection {
  Connection(Socket accepted, std::shared_ptr<TlsContext> context)
      : socket(std::move(accepted)), tls(std::move(context)) {}

  Socket socket;
  std::shared_ptr<TlsContext> tls;  // null: plain
  std::optional<Session> session;
  // For the thread that watches only.
  bool idle = false;
  SteadyTime idle_since;
};
using Held = std::shared_ptr<Connection>;

// What tells that a file has been replaced.
struct FileState {
  std::uint64_t size = 0;
  Timestamp modified;
  bool operator==(const FileState&) const = default;
};
using FileStates = std::vector<FileState>;

Result<FileStates> states_of(const ServerOptions& options) {
  FileStates states;
  for (const std::string& file : {options.certificate_file, options.key_file}) {
    const io::FileInfo info = TRY(io::file_info(file));
    states.push_back({info.size, info.modified});
  }
  return states;
}

std::unexpected<Error> cannot_listen(const ServerOptions& options, const SystemCode& error) {
  const std::string where = authority(options.address, options.port);
  if (error == asio::error::address_in_use) {
    return std::unexpected(
        Error(ErrorCode::kConflict, fmt::format("{} is taken by another program", where))
            .with_hint("Choose another port, or end the program that listens there."));
  }
  const bool forbidden = error == asio::error::access_denied;
  return fail(forbidden ? ErrorCode::kPermissionDenied : ErrorCode::kInvalidArgument,
              fmt::format("cannot listen on {}: {}", where, error.message()));
}

}  // namespace

// The thread in run() watches: it accepts, waits for requests of idle connections, and hands
// connections that have one to the threads that answer. They give them back by a posted call.
class Server::Core {
 public:
  explicit Core(ServerOptions options) : options_(std::move(options)) {}

  Result<void> listen();
  [[nodiscard]] std::uint16_t port() const { return port_; }
  void run(const std::stop_token& stop);

 private:
  // ---- of the thread that watches
  void accept_next();
  bool accept_one();
  void take_in(Socket socket);
  void renew_certificate();
  void wait_for_request(const Held& connection);
  void forget(const Held& connection);
  void sweep();
  bool drop_longest_idle();
  void begin_stop();
  void end_when_empty();

  // ---- of the threads that answer
  void answer_requests();
  Held next_ready() EXCLUDES(mutex_);
  void answer_on(const Held& connection);
  void make_ready(const Held& connection) EXCLUDES(mutex_);

  const ServerOptions options_;
  // Of those who connect from now on; null where there is no TLS.
  std::shared_ptr<TlsContext> tls_;
  FileStates tls_files_;  // as they were when they were read last
  asio::io_context io_{1};
  tcp::acceptor acceptor_{io_};
  std::uint16_t port_ = 0;
  asio::steady_timer tick_{io_};
  std::set<Held> connections_;
  bool accepting_ = false;
  std::atomic<bool> stopping_ = false;
  SteadyTime forced_at_ = SteadyTime::max();

  Mutex mutex_;
  CondVar came_;
  std::deque<Held> ready_ GUARDED_BY(mutex_);
  bool over_ GUARDED_BY(mutex_) = false;
};

Result<void> Server::Core::listen() {
  SystemCode error;
  const asio::ip::address address = asio::ip::make_address(options_.address, error);
  if (error) {
    return std::unexpected(
        Error(ErrorCode::kInvalidArgument, fmt::format("'{}' is no address", options_.address))
            .with_hint("Give it as a number: 127.0.0.1:8000, 0.0.0.0:8000 or [::]:8000."));
  }
  if (!options_.certificate_file.empty() || !options_.key_file.empty()) {
    tls_files_ = states_of(options_).value_or(FileStates());
    tls_ = TRY(tls_context(options_.certificate_file, options_.key_file));
  }
  const tcp::endpoint endpoint(address, options_.port);
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
  // Who was there when it was waited for may be gone when it is accepted.
  if (!error) acceptor_.non_blocking(true, error);
  if (!error) port_ = acceptor_.local_endpoint(error).port();
  if (error) return cannot_listen(options_, error);
  // Programs that are started must not hold the port.
  ::fcntl(acceptor_.native_handle(), F_SETFD, FD_CLOEXEC);
  return {};
}

void Server::Core::run(const std::stop_token& stop) {
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < options_.limits.threads; ++i) {
    threads.emplace_back([this] { answer_requests(); });
  }
  accept_next();
  sweep();
  {
    const std::stop_callback ask(stop, [this] { asio::post(io_, [this] { begin_stop(); }); });
    io_.run();
  }
  const MutexLock lock(mutex_);
  over_ = true;
  came_.notify_all();
}

void Server::Core::accept_next() {
  if (accepting_ || !acceptor_.is_open()) return;
  accepting_ = true;
  acceptor_.async_wait(tcp::acceptor::wait_read, [this](const SystemCode& error) {
    accepting_ = false;
    if (!error && accept_one()) accept_next();
  });
}

// False when there is no room, or no descriptor: the next connection that ends, or the next tick,
// makes another try.
bool Server::Core::accept_one() {
  const bool full = connections_.size() >= options_.limits.connections_max;
  if (full && !drop_longest_idle()) return false;
  SystemCode error;
  Socket socket(io_);
  acceptor_.accept(socket, error);
  if (!error) take_in(std::move(socket));
  const bool gone = error == asio::error::connection_aborted || error == asio::error::would_block ||
                    error == asio::error::try_again;
  return !error || gone;
}

void Server::Core::take_in(Socket socket) {
  SystemCode error;
  socket.set_option(tcp::no_delay(true), error);
  ::fcntl(socket.native_handle(), F_SETFD, FD_CLOEXEC);
  const tcp::endpoint peer = socket.remote_endpoint(error);
  if (error) return;  // gone already
  renew_certificate();
  const Held connection = std::make_shared<Connection>(std::move(socket), tls_);
  connection->session.emplace(stream_over(connection->socket, connection->tls.get()), options_,
                              peer.address().to_string(), stopping_);
  connections_.insert(connection);
  wait_for_request(connection);
}

// The two files are replaced one after the other: in between they do not belong together, which is
// no reason to stop.
void Server::Core::renew_certificate() {
  if (tls_ == nullptr) return;
  auto now = states_of(options_);
  if (!now || *now == tls_files_) return;
  tls_files_ = *std::move(now);
  auto renewed = tls_context(options_.certificate_file, options_.key_file);
  if (renewed) {
    tls_ = *std::move(renewed);
  } else if (options_.complain) {
    options_.complain(
        std::move(renewed).error().with_context("renewing the certificate, so the old one stays"));
  }
}

void Server::Core::wait_for_request(const Held& connection) {
  if (stopping_) return forget(connection);
  connection->idle = true;
  connection->idle_since = std::chrono::steady_clock::now();
  connection->socket.async_wait(tcp::socket::wait_read,
                                [this, connection](const SystemCode& error) {
                                  if (!connection->idle) return;
                                  connection->idle = false;
                                  if (error) return forget(connection);
                                  make_ready(connection);
                                });
}

void Server::Core::forget(const Held& connection) {
  connection->idle = false;
  SystemCode ignored;
  connection->socket.close(ignored);
  connections_.erase(connection);
  accept_next();
  end_when_empty();
}

bool Server::Core::drop_longest_idle() {
  Held longest;
  for (const Held& one : connections_) {
    if (one->idle && (!longest || one->idle_since < longest->idle_since)) longest = one;
  }
  if (!longest) return false;
  longest->idle = false;
  SystemCode ignored;
  longest->socket.close(ignored);
  connections_.erase(longest);
  return true;
}

// Once a second: whose request does not come to its end, who has been silent for too long goes, and
// after a stop everybody whose time is up.
void Server::Core::sweep() {
  const SteadyTime now = std::chrono::steady_clock::now();
  const SteadyTime oldest = now - options_.limits.idle_max;
  const SteadyTime latest_head = now - options_.limits.head_max;
  std::vector<Held> silent;
  for (const Held& one : connections_) {
    // While it is idle, nobody else touches its session.
    const bool slow =
        one->idle && one->session->in_head() && one->session->head_began() < latest_head;
    if (slow || (one->idle && one->idle_since < oldest)) silent.push_back(one);
    // Whoever answers on it finds the connection at its end, and gives it back.
    SystemCode ignored;
    if (now >= forced_at_) one->socket.shutdown(tcp::socket::shutdown_both, ignored);
  }
  for (const Held& one : silent) forget(one);
  if (!stopping_) accept_next();
  if (stopping_ && connections_.empty()) return;
  tick_.expires_after(std::chrono::seconds(1));
  tick_.async_wait([this](const SystemCode& error) {
    if (!error) sweep();
  });
}

void Server::Core::begin_stop() {
  if (stopping_.exchange(true)) return;
  forced_at_ = std::chrono::steady_clock::now() + options_.limits.stop_max;
  SystemCode ignored;
  acceptor_.close(ignored);
  std::vector<Held> idle;
  for (const Held& one : connections_) {
    if (one->idle) idle.push_back(one);
  }
  for (const Held& one : idle) forget(one);
  end_when_empty();
}

void Server::Core::end_when_empty() {
  if (stopping_ && connections_.empty()) tick_.cancel();
}

void Server::Core::answer_requests() {
  while (const Held connection = next_ready()) answer_on(connection);
}

Held Server::Core::next_ready() {
  const MutexLock lock(mutex_);
  while (ready_.empty() && !over_) came_.wait(mutex_);
  if (ready_.empty()) return nullptr;
  Held connection = std::move(ready_.front());
  ready_.pop_front();
  return connection;
}

void Server::Core::make_ready(const Held& connection) {
  const MutexLock lock(mutex_);
  ready_.push_back(connection);
  came_.notify_one();
}

void Server::Core::answer_on(const Held& connection) {
  switch (connection->session->serve_one()) {
    case Next::kAgain:
      make_ready(connection);  // behind the others: nobody has a thread for himself
      return;
    case Next::kWait:
      asio::post(io_, [this, connection] { wait_for_request(connection); });
      return;
    case Next::kClose:
      asio::post(io_, [this, connection] { forget(connection); });
      return;
  }
}

Result<std::unique_ptr<Server>> Server::listen(ServerOptions options) {
  auto core = std::make_unique<Core>(std::move(options));
  TRY(core->listen());
  return std::unique_ptr<Server>(new Server(std::move(core)));
}

Server::Server(std::unique_ptr<Core> core) : core_(std::move(core)) {}
Server::~Server() = default;

std::uint16_t Server::port() const {
  return core_->port();
}

void Server::run(const std::stop_token& stop) {
  core_->run(stop);
}

bool ListenAddress::is_loopback() const {
  SystemCode error;
  const asio::ip::address parsed = asio::ip::make_address(address, error);
  return !error && parsed.is_loopback();
}

Result<ListenAddress> parse_listen_address(std::string_view text) {
  const auto wrong = [&] {
    return std::unexpected(
        Error(ErrorCode::kInvalidArgument, fmt::format("'{}' is no place to listen at", text))
            .with_hint("Give an address and a port: 127.0.0.1:8000 or [::1]:8000; port 0 is one "
                       "that is free."));
  };
  const std::size_t colon = text.rfind(':');
  const bool has_address = colon != std::string_view::npos;
  ListenAddress listen{.address = "127.0.0.1", .port = 0};
  const std::string_view port = has_address ? text.substr(colon + 1) : text;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), listen.port);
  if (error != std::errc{} || end != port.data() + port.size()) return wrong();
  if (has_address) listen.address = text.substr(0, colon);
  if (listen.address.starts_with('[') && listen.address.ends_with(']')) {
    listen.address = listen.address.substr(1, listen.address.size() - 2);
  }
  SystemCode unknown;
  asio::ip::make_address(listen.address, unknown);
  if (unknown) return wrong();
  return listen;
}

}  // namespace backstay::http
// NOLINTEND(bugprone-unused-return-value)
