#include "http/server/stream.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <cerrno>

#include "base/try.h"
#include "http/server/sockets.h"

// What Asio returns is in the argument as well.
// NOLINTBEGIN(bugprone-unused-return-value)
namespace backstay::http {
namespace {

namespace asio = boost::asio;
namespace ssl = boost::asio::ssl;
using SystemCode = boost::system::error_code;
using std::chrono::nanoseconds;

// How long, and how much, of what still comes after the last answer is read.
constexpr std::chrono::milliseconds kGoodbye{1000};
constexpr std::size_t kGoodbyeBytes = 4 << 20;

// A socket whose calls wait by poll(), as long as they may: the layer below TLS, and all of a plain
// connection. Asio's own blocking calls wait for ever.
class PatientSocket {
 public:
  using lowest_layer_type = Socket::lowest_layer_type;
  using executor_type = Socket::executor_type;

  PatientSocket(Socket& socket, const nanoseconds& patience, nanoseconds& waited)
      : socket_(socket), patience_(patience), waited_(waited) {}

  lowest_layer_type& lowest_layer() { return socket_.lowest_layer(); }
  const lowest_layer_type& lowest_layer() const { return socket_.lowest_layer(); }
  executor_type get_executor() { return socket_.get_executor(); }

  template <typename Buffers>
  std::size_t read_some(const Buffers& buffers, SystemCode& error) {
    const asio::mutable_buffer into = *asio::buffer_sequence_begin(buffers);
    const std::size_t got = transfer(
        POLLIN, error, [&](int fd) { return ::recv(fd, into.data(), into.size(), MSG_DONTWAIT); });
    if (got == 0 && !error && into.size() > 0) error = asio::error::eof;
    return got;
  }

  template <typename Buffers>
  std::size_t write_some(const Buffers& buffers, SystemCode& error) {
    const asio::const_buffer from = *asio::buffer_sequence_begin(buffers);
    return transfer(POLLOUT, error, [&](int fd) {
      return ::send(fd, from.data(), from.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    });
  }

 private:
  template <typename Call>
  std::size_t transfer(short event, SystemCode& error, const Call& call) {
    const int fd = socket_.native_handle();
    error = {};
    for (;;) {
      const ssize_t done = call(fd);
      if (done >= 0) return static_cast<std::size_t>(done);
      if (errno == EINTR) continue;
      if (errno != EAGAIN && errno != EWOULDBLOCK) {
        error.assign(errno, boost::system::system_category());
        return 0;
      }
      if (!wait(fd, event, error)) return 0;
    }
  }

  bool wait(int fd, short event, SystemCode& error) {
    using std::chrono::duration_cast;
    using std::chrono::milliseconds;
    const auto from = std::chrono::steady_clock::now();
    pollfd one{.fd = fd, .events = event, .revents = 0};
    const auto most = duration_cast<milliseconds>(patience_ - spent_) + milliseconds(1);
    const auto capped = std::clamp<milliseconds::rep>(most.count(), 0, 3'600'000);
    const int ready = patience_ <= spent_ ? 0 : ::poll(&one, 1, static_cast<int>(capped));
    const nanoseconds took = std::chrono::steady_clock::now() - from;
    waited_ += took;
    spent_ += took;
    if (ready > 0 || (ready < 0 && errno == EINTR)) return true;
    error = asio::error::timed_out;
    return false;
  }

 public:
  // A new call may wait for all of its patience again.
  void begin_call() { spent_ = nanoseconds(0); }

 private:
  Socket& socket_;
  const nanoseconds& patience_;
  nanoseconds& waited_;
  nanoseconds spent_{0};
};

std::unexpected<Error> broken(const SystemCode& error, bool& ran_out) {
  ran_out = error == asio::error::timed_out;
  if (ran_out) return fail(ErrorCode::kUnavailable, "the peer makes us wait too long");
  return fail(ErrorCode::kUnavailable, "the connection broke: " + error.message());
}

bool is_end(const SystemCode& error) {
  return error == asio::error::eof || error == ssl::error::stream_truncated;
}

void drain(Socket& socket) {
  ::shutdown(socket.native_handle(), SHUT_WR);
  std::array<char, 16 * 1024> unwanted{};
  const auto until = std::chrono::steady_clock::now() + kGoodbye;
  for (std::size_t sum = 0; sum < kGoodbyeBytes;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        until - std::chrono::steady_clock::now());
    pollfd one{.fd = socket.native_handle(), .events = POLLIN, .revents = 0};
    if (left.count() <= 0 || ::poll(&one, 1, static_cast<int>(left.count())) <= 0) return;
    const ssize_t got =
        ::recv(socket.native_handle(), unwanted.data(), unwanted.size(), MSG_DONTWAIT);
    if (got <= 0) return;
    sum += static_cast<std::size_t>(got);
  }
}

// A layer is TLS over a patient socket, or that socket itself.
template <typename Layer>
Result<std::size_t> read_from(Layer& layer, PatientSocket& socket, MutableByteView out,
                              bool& ran_out) {
  ran_out = false;
  socket.begin_call();
  SystemCode error;
  const std::size_t got = layer.read_some(asio::buffer(out.data(), out.size()), error);
  if (error && !is_end(error)) return broken(error, ran_out);
  return got;
}

template <typename Layer>
Result<void> write_to(Layer& layer, PatientSocket& socket, ByteView bytes, bool& ran_out) {
  while (!bytes.empty()) {
    ran_out = false;
    socket.begin_call();
    SystemCode error;
    const std::size_t done = layer.write_some(asio::buffer(bytes.data(), bytes.size()), error);
    if (error) return broken(error, ran_out);
    bytes = bytes.subspan(done);
  }
  return {};
}

class PlainStream final : public Stream {
 public:
  explicit PlainStream(Socket& socket) : socket_(socket), layer_(socket, patience_, waited_) {}

  Result<void> greet() override { return {}; }
  Result<std::size_t> read_some(MutableByteView out) override {
    return read_from(layer_, layer_, out, ran_out_);
  }
  Result<void> write(ByteView bytes) override { return write_to(layer_, layer_, bytes, ran_out_); }
  bool has_more() override { return false; }
  void say_goodbye() override { drain(socket_); }

 private:
  Socket& socket_;
  PatientSocket layer_;
};

class TlsStream final : public Stream {
 public:
  TlsStream(Socket& socket, TlsContext& context)
      : socket_(socket), layer_(PatientSocket(socket, patience_, waited_), context) {}

  Result<void> greet() override {
    ran_out_ = false;
    layer_.next_layer().begin_call();
    SystemCode error;
    layer_.handshake(ssl::stream_base::server, error);
    if (error) return broken(error, ran_out_);
    return {};
  }
  Result<std::size_t> read_some(MutableByteView out) override {
    return read_from(layer_, layer_.next_layer(), out, ran_out_);
  }
  Result<void> write(ByteView bytes) override {
    return write_to(layer_, layer_.next_layer(), bytes, ran_out_);
  }
  // Asio may have received more than one record: only trying tells, without waiting.
  bool has_more() override { return SSL_pending(layer_.native_handle()) > 0 || has_record(); }
  void say_goodbye() override { drain(socket_); }

 private:
  bool has_record() {
    std::array<char, 1> byte{};
    return SSL_peek(layer_.native_handle(), byte.data(), 1) > 0;
  }

  Socket& socket_;
  ssl::stream<PatientSocket> layer_;
};

}  // namespace

std::unique_ptr<Stream> stream_over(Socket& socket, TlsContext* context) {
  if (context == nullptr) return std::make_unique<PlainStream>(socket);
  return std::make_unique<TlsStream>(socket, *context);
}

Result<std::unique_ptr<TlsContext>> tls_context(const std::string& certificate_file,
                                                const std::string& key_file) {
  auto context = std::make_unique<TlsContext>(TlsContext::tls_server);
  const auto unusable = [](const std::string& file, const SystemCode& error) {
    return std::unexpected(Error(ErrorCode::kPermissionDenied,
                                 fmt::format("{} cannot be used: {}", file, error.message()))
                               .with_hint("It must be there in PEM, and readable; the key must be "
                                          "that of the certificate."));
  };
  SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
  SSL_CTX_set_options(context->native_handle(),
                      SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET);
  SystemCode error;
  context->use_certificate_chain_file(certificate_file, error);
  if (error) return unusable(certificate_file, error);
  context->use_private_key_file(key_file, TlsContext::pem, error);
  if (error) return unusable(key_file, error);
  if (SSL_CTX_check_private_key(context->native_handle()) != 1) {
    return unusable(key_file,
                    SystemCode(static_cast<int>(ERR_get_error()), asio::error::get_ssl_category()));
  }
  return context;
}

}  // namespace backstay::http
// NOLINTEND(bugprone-unused-return-value)
