// Messages of the SSH File Transfer Protocol, version 3, as bytes
// (https://datatracker.ietf.org/doc/html/draft-ietf-secsh-filexfer-02), with the extensions of
// OpenSSH (its file PROTOCOL, section 4).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"

namespace backstay::backend::sftp {

enum class Message : std::uint8_t {
  kInit = 1,
  kVersion = 2,
  kOpen = 3,
  kClose = 4,
  kRead = 5,
  kWrite = 6,
  kLstat = 7,
  kFstat = 8,
  kOpendir = 11,
  kReaddir = 12,
  kRemove = 13,
  kMkdir = 14,
  kStat = 17,
  kRename = 18,
  kStatus = 101,
  kHandle = 102,
  kData = 103,
  kName = 104,
  kAttrs = 105,
  kExtended = 200,
  kExtendedReply = 201,
};

// Codes of a status; a server may know more.
enum class StatusCode : std::uint32_t {
  kOk = 0,
  kEof = 1,
  kNoSuchFile = 2,
  kPermissionDenied = 3,
  kFailure = 4,
  kBadMessage = 5,
  kNoConnection = 6,
  kConnectionLost = 7,
  kUnsupported = 8,
};

// For kOpen.
inline constexpr std::uint32_t kOpenRead = 0x01;
inline constexpr std::uint32_t kOpenWrite = 0x02;
inline constexpr std::uint32_t kOpenCreate = 0x08;
inline constexpr std::uint32_t kOpenExclusive = 0x20;

// What a server says of a file; it need not say all.
struct Attributes {
  std::optional<std::uint64_t> size;
  std::optional<std::uint32_t> mode;              // as in stat(2)
  std::optional<std::uint32_t> modified_seconds;  // since 1970
  [[nodiscard]] bool is_folder() const;
  [[nodiscard]] bool is_regular() const;
};

struct NamedFile {
  std::string name;
  Attributes attributes;
};

// The longest packet that is taken: what OpenSSH sends at most, and then some.
inline constexpr std::uint32_t kPacketMax = 320 * 1024;

// A request, built field after field in the order of the draft.
class Request {
 public:
  Request(Message message, std::uint32_t id);
  [[nodiscard]] std::uint32_t id() const { return id_; }
  Request& number(std::uint32_t value);
  Request& large_number(std::uint64_t value);
  Request& text(std::string_view value);
  // Attributes that say nothing but the mode.
  Request& mode(std::uint32_t value);
  // Writes how long it is, with `following` bytes that are sent right after it.
  [[nodiscard]] ByteView finish(std::size_t following = 0);

 private:
  std::uint32_t id_;
  Bytes bytes_;
};

// A packet that came, without its length. What of it is used depends on the message.
struct Reply {
  Message message{};
  std::uint32_t id = 0;
  StatusCode status{};           // kStatus
  std::string text;              // kStatus: the server's words; kHandle: the handle
  std::vector<NamedFile> files;  // kName
  Attributes attributes;         // kAttrs
  std::size_t rest = 0;          // kData, kExtendedReply: where in the packet the bytes begin
};

// unavailable when the packet breaks the protocol: the connection is of no more use.
Result<Reply> decode_reply(ByteView packet);

// The answer to kInit.
struct Version {
  std::uint32_t number = 0;
  std::vector<std::pair<std::string, std::string>> extensions;  // name and data
};
Result<Version> decode_version(ByteView packet);

// The numbers of statvfs@openssh.com that are of use.
struct Space {
  std::uint64_t bytes_free = 0;  // for the account
};
Result<Space> decode_space(ByteView extended);

// The numbers of limits@openssh.com; 0 where there is none.
struct Limits {
  std::uint64_t packet_max = 0;
  std::uint64_t read_max = 0;
  std::uint64_t write_max = 0;
};
Result<Limits> decode_limits(ByteView extended);

}  // namespace backstay::backend::sftp
