// The bytes of one connection, plain or in TLS, by calls that wait no longer than they were told.
#pragma once

#include <chrono>
#include <cstdint>

#include "base/bytes.h"
#include "base/error.h"

namespace backstay::http {

// One thread at a time. `unavailable` when the peer is gone, or is waited for beyond the limit.
class Stream {
 public:
  virtual ~Stream() = default;
  // What comes before the first byte: the handshake of TLS.
  virtual Result<void> greet() = 0;
  // At least one byte; 0 at the end.
  virtual Result<std::size_t> read_some(MutableByteView out) = 0;
  virtual Result<void> write(ByteView bytes) = 0;
  // Bytes that were received and wait to be read: no wait on the socket would tell of them.
  [[nodiscard]] virtual bool has_more() = 0;
  // Nothing is written any more; what still comes is read and thrown away for a moment. Without
  // that, an answer to who is still sending would be lost with the connection.
  virtual void say_goodbye() = 0;

  // How long one call may wait for the peer, and how long all of them waited so far.
  void set_patience(std::chrono::nanoseconds most) { patience_ = most; }
  [[nodiscard]] std::chrono::nanoseconds waited() const { return waited_; }
  // The last failure was that the peer was waited for in vain: greet() and read_some() may be
  // called again, and go on.
  [[nodiscard]] bool ran_out() const { return ran_out_; }

 protected:
  std::chrono::nanoseconds patience_{0};
  std::chrono::nanoseconds waited_{0};
  bool ran_out_ = false;
};

}  // namespace backstay::http
