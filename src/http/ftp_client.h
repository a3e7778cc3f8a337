// FTP (RFC 959, with RFC 2228 and 4217 for TLS and RFC 3659 for lists and sizes) over kept
// connections, by libcurl. It is in this room because libcurl is.
//
// A call blocks until it is done; several threads may call. Data connections are passive. Names of
// the protocol's commands are the caller's; paths are absolute on the server and have no line
// breaks.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/streamed_bytes.h"

namespace backstay::http {

enum class FtpTls : std::uint8_t {
  kNone,
  kExplicit,  // AUTH TLS on the usual port; nothing is said before it, and no server goes without
  kImplicit,  // from the first byte, on port 990
};

struct FtpOptions {
  std::string host;
  std::uint16_t port = 0;  // 0: 21, or 990 for kImplicit
  FtpTls tls = FtpTls::kExplicit;
  std::string user;
  std::string password;
  std::string ca_file = {};  // PEM; empty: the system's
  std::size_t connections_max = 4;
  std::chrono::milliseconds connect_max{15'000};
  // How long the server may say nothing, on either connection.
  std::chrono::seconds silence_max{60};
  std::stop_token stop = {};  // ends calls within about a second, with `cancelled`
};

// What the server says to a command: "250-Start of list\n modify=...\n250 End" in lines.
struct FtpReply {
  int code = 0;
  std::string text;
  [[nodiscard]] bool succeeded() const { return code / 100 == 2; }
};

// What a transfer of data came to: the server's reply to it, whatever it is.
struct FtpAnswer {
  int code = 0;
  std::uint64_t bytes = 0;  // that were sent or received
  [[nodiscard]] bool succeeded() const { return code / 100 == 2; }
};

// Failures are those of connections: unavailable when nobody answers or the connection breaks;
// permission_denied when the server lets nobody in, has no TLS, or no certificate that is to be
// trusted; cancelled; unsupported without libcurl. That a server refuses a command is an answer.
class FtpClient {
 public:
  explicit FtpClient(FtpOptions options);
  ~FtpClient();
  FtpClient(const FtpClient&) = delete;
  FtpClient& operator=(const FtpClient&) = delete;

  // One reply for each command, one after the other over one connection, whatever they are. Binary
  // mode is on.
  Result<std::vector<FtpReply>> commands(const std::vector<std::string>& lines);

  enum class Append : std::uint8_t { kNo, kYes };
  // Of `bytes` what begins at `from`: as a new file, or at the end of the one that is there.
  Result<FtpAnswer> store(const std::string& path, const StreamedBytes& bytes, std::uint64_t from,
                          Append append);
  // Gives `sink` the file's bytes from `from` on, at most `size`; its failure ends the call.
  Result<FtpAnswer> retrieve(const std::string& path, std::uint64_t from, std::uint64_t size,
                             const std::function<Result<void>(ByteView)>& sink);
  // What `command` ("MLSD", "NLST -a") lists of a folder; invalid_argument beyond `size_max`.
  Result<FtpAnswer> list(const std::string& command, const std::string& path, Bytes& out,
                         std::uint64_t size_max);

  // The folder where the login begins; a connection is made for it where there was none.
  Result<std::string> first_folder();

  [[nodiscard]] std::uint64_t connections_made() const;

 private:
  class Pool;
  const FtpOptions options_;
  std::unique_ptr<Pool> pool_;
};

}  // namespace backstay::http
