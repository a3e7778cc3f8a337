#include "backend/sftp/connection.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>

#include "backend/sftp/host_key.h"
#include "backend/sftp/login.h"
#include "backend/sftp/ssh_library.h"
#include "base/try.h"

namespace backstay::backend::sftp {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr long kConnectSeconds = 20;
constexpr milliseconds kSilenceMax{60'000};
constexpr milliseconds kSilenceMaxWhenStopping{2000};
constexpr int kSliceMs = 500;
// While the server takes no more bytes: what it sends meanwhile may be nothing to us.
constexpr int kFullSliceMs = 10;

// The session and its channel, freed in the right order.
class Line final : public ByteChannel {
 public:
  Line(const SshLibrary& ssh, const Place& place, std::stop_token stop)
      : ssh_(ssh), place_(place), stop_(std::move(stop)), session_(ssh.create()) {}
  ~Line() override {
    if (channel_ != nullptr) ssh_.channel_free(channel_);
    if (session_ == nullptr) return;
    ssh_.disconnect(session_);
    ssh_.destroy(session_);
  }
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;

  Result<void> open(const Login& login);
  Result<void> write(ByteView bytes) override;
  Result<void> read(MutableByteView out) override;

 private:
  Result<void> set_options(const Login& login);
  Result<void> reach();
  Result<void> request_service();
  void notice_dead_peers() const;
  // Takes what has come, or waits for it so long, into `room`. 0 when nothing came.
  Result<std::size_t> receive(MutableByteView room, int wait_ms);
  Result<void> make_room();
  Result<void> check_silence(steady_clock::time_point since) const;
  [[nodiscard]] std::unexpected<Error> lost(std::string_view why) const;

  const SshLibrary& ssh_;
  const Place place_;
  const std::stop_token stop_;
  ssh_session session_;
  ssh_channel channel_ = nullptr;
  Bytes inbox_;  // what came while the server took no more
  std::size_t inbox_read_ = 0;
};

std::unexpected<Error> Line::lost(std::string_view why) const {
  return fail(ErrorCode::kUnavailable, fmt::format("the connection to {}: {}", place_.url, why));
}

// What stands in the URL goes before what the user's configuration says of the host, which goes
// before defaults; so the configuration is read in between.
Result<void> Line::set_options(const Login& login) {
  const auto set = [&](enum ssh_options_e option, const void* value) -> Result<void> {
    if (ssh_.set_option(session_, option, value) == SSH_OK) return {};
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("connecting to {}: {}", place_.url, ssh_.get_error(session_)));
  };
  TRY(set(SSH_OPTIONS_HOST, place_.host.c_str()));
  if (ssh_.parse_config(session_, nullptr) != SSH_OK) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("reading ~/.ssh/config: {}", ssh_.get_error(session_)));
  }
  // "StrictHostKeyChecking no" there would have a changed key taken for a known one.
  const int strict = 1;
  TRY(set(SSH_OPTIONS_STRICTHOSTKEYCHECK, &strict));
  const unsigned port = place_.port;
  if (port != 0) TRY(set(SSH_OPTIONS_PORT, &port));
  if (!place_.user.empty()) TRY(set(SSH_OPTIONS_USER, place_.user.c_str()));
  if (!login.known_hosts.empty()) {
    TRY(set(SSH_OPTIONS_KNOWNHOSTS, login.known_hosts.c_str()));
    TRY(set(SSH_OPTIONS_GLOBAL_KNOWNHOSTS, login.known_hosts.c_str()));
  }
  const long seconds = kConnectSeconds;
  const int no_delay = 1;
  TRY(set(SSH_OPTIONS_TIMEOUT, &seconds));
  return set(SSH_OPTIONS_NODELAY, &no_delay);
}

Result<void> Line::reach() {
  if (ssh_.connect(session_) == SSH_OK) return {};
  const std::string why = ssh_.get_error(session_);
  const std::string what = fmt::format("connecting to {}: {}", place_.url, why);
  if (why.contains("kex error")) {
    return std::unexpected(Error(ErrorCode::kUnsupported, what)
                               .with_hint("Client and server have no algorithm in common."));
  }
  return std::unexpected(Error(ErrorCode::kUnavailable, what)
                             .with_hint("Check the host and port, and that it can be reached."));
}

// A peer that vanished without a word would otherwise keep a write waiting for a quarter of an
// hour.
void Line::notice_dead_peers() const {
  const int fd = ssh_.get_fd(session_);
  const auto milliseconds_max = static_cast<unsigned>(kSilenceMax.count());
  static_cast<void>(
      ::setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &milliseconds_max, sizeof(milliseconds_max)));
}

Result<void> Line::request_service() {
  channel_ = ssh_.channel_new(session_);
  if (channel_ == nullptr || ssh_.channel_open(channel_) != SSH_OK) {
    return lost(ssh_.get_error(session_));
  }
  if (ssh_.channel_request_sftp(channel_) == SSH_OK) return {};
  return std::unexpected(
      Error(ErrorCode::kUnsupported,
            fmt::format("{} offers no SFTP: {}", place_.url, ssh_.get_error(session_)))
          .with_hint("The server needs a line such as 'Subsystem sftp internal-sftp'."));
}

Result<void> Line::open(const Login& login) {
  if (session_ == nullptr) return fail(ErrorCode::kUnavailable, "no memory for an SSH session");
  TRY(set_options(login));
  TRY(reach());
  TRY(check_host_key(ssh_, session_, place_));
  TRY(log_in(ssh_, session_, place_, login));
  TRY(request_service());
  notice_dead_peers();
  ssh_.set_blocking(session_, 0);
  return {};
}

Result<std::size_t> Line::receive(MutableByteView room, int wait_ms) {
  const auto size = static_cast<std::uint32_t>(std::min<std::size_t>(room.size(), 1U << 30U));
  const int got = ssh_.channel_read(channel_, room.data(), size, 0, wait_ms);
  if (got > 0) return static_cast<std::size_t>(got);
  if (got != 0 && got != SSH_AGAIN) return lost(ssh_.get_error(session_));
  if (ssh_.channel_is_eof(channel_) != 0 || ssh_.channel_is_closed(channel_) != 0) {
    return lost("the server closed it");
  }
  return std::size_t{0};
}

Result<void> Line::check_silence(steady_clock::time_point since) const {
  const milliseconds limit = stop_.stop_requested() ? kSilenceMaxWhenStopping : kSilenceMax;
  if (steady_clock::now() - since < limit) return {};
  return lost(fmt::format("the server is silent for {} s", limit.count() / 1000));
}

Result<void> Line::read(MutableByteView out) {
  const std::size_t kept = std::min(out.size(), inbox_.size() - inbox_read_);
  std::copy_n(inbox_.begin() + static_cast<std::ptrdiff_t>(inbox_read_), kept, out.begin());
  out = out.subspan(kept);
  inbox_read_ += kept;
  if (inbox_read_ == inbox_.size()) {
    inbox_.clear();
    inbox_read_ = 0;
  }
  auto heard = steady_clock::now();
  while (!out.empty()) {
    const std::size_t got = TRY(receive(out, kSliceMs));
    out = out.subspan(got);
    if (got > 0) heard = steady_clock::now();
    if (got == 0) TRY(check_silence(heard));
  }
  return {};
}

// The server may wait until its answers are taken, so they are. There are never more of them than
// what is on its way asks for.
Result<void> Line::make_room() {
  Bytes piece(16 * 1024);
  const std::size_t got = TRY(receive(piece, kFullSliceMs));
  append(inbox_, ByteView(piece).first(got));
  return {};
}

Result<void> Line::write(ByteView bytes) {
  auto heard = steady_clock::now();
  while (!bytes.empty()) {
    const auto size = static_cast<std::uint32_t>(std::min<std::size_t>(bytes.size(), 1U << 30U));
    const int taken = ssh_.channel_write(channel_, bytes.data(), size);
    if (taken < 0 && taken != SSH_AGAIN) return lost(ssh_.get_error(session_));
    if (taken > 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(taken));
      heard = steady_clock::now();
      continue;
    }
    TRY(make_room());
    TRY(check_silence(heard));
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<ByteChannel>> connect(const Place& place, const Login& login,
                                             const std::stop_token& stop) {
  const SshLibrary* const ssh = TRY(ssh_library());
  auto line = std::make_unique<Line>(*ssh, place, stop);
  TRY(line->open(login));
  return line;
}

}  // namespace backstay::backend::sftp
