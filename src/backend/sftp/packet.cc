#include "backend/sftp/packet.h"

#include "base/try.h"

namespace backstay::backend::sftp {
namespace {

constexpr std::uint32_t kHasSize = 0x01;
constexpr std::uint32_t kHasOwner = 0x02;
constexpr std::uint32_t kHasMode = 0x04;
constexpr std::uint32_t kHasTimes = 0x08;
constexpr std::uint32_t kHasExtended = 0x8000'0000;

constexpr std::uint32_t kKindMask = 0170000;
constexpr std::uint32_t kFolder = 0040000;
constexpr std::uint32_t kRegular = 0100000;

void append_be(Bytes& out, std::uint64_t value, int size) {
  for (int shift = (size - 1) * 8; shift >= 0; shift -= 8) {
    out.push_back(static_cast<std::uint8_t>(value >> shift));
  }
}

std::unexpected<Error> broken() {
  return fail(ErrorCode::kUnavailable, "the server's answer breaks the SFTP protocol");
}

// Takes one field after another, and nothing that is not there.
class Fields {
 public:
  explicit Fields(ByteView bytes) : left_(bytes) {}

  [[nodiscard]] bool at_end() const { return left_.empty(); }
  [[nodiscard]] std::size_t left() const { return left_.size(); }
  Result<std::uint8_t> byte() { return static_cast<std::uint8_t>(TRY(big_endian(1))); }
  Result<std::uint32_t> number() { return static_cast<std::uint32_t>(TRY(big_endian(4))); }
  Result<std::uint64_t> large_number() { return big_endian(8); }
  Result<std::string> text() { return std::string(as_text(TRY(bytes(TRY(number()))))); }

  Result<ByteView> bytes(std::size_t size) {
    if (size > left_.size()) return broken();
    const ByteView taken = left_.first(size);
    left_ = left_.subspan(size);
    return taken;
  }

  Result<Attributes> attributes() {
    Attributes found;
    const std::uint32_t flags = TRY(number());
    if ((flags & kHasSize) != 0) found.size = TRY(large_number());
    if ((flags & kHasOwner) != 0) TRY(large_number());
    if ((flags & kHasMode) != 0) found.mode = TRY(number());
    if ((flags & kHasTimes) != 0) {
      TRY(number());
      found.modified_seconds = TRY(number());
    }
    if ((flags & kHasExtended) != 0) {
      const std::uint32_t count = TRY(number());
      for (std::uint32_t i = 0; i < count; ++i) {
        TRY(text());
        TRY(text());
      }
    }
    return found;
  }

 private:
  Result<std::uint64_t> big_endian(std::size_t size) {
    std::uint64_t value = 0;
    for (const std::uint8_t byte : TRY(bytes(size))) value = (value << 8U) | byte;
    return value;
  }

  ByteView left_;
};

Result<std::vector<NamedFile>> files_in(Fields& fields) {
  std::vector<NamedFile> files;
  const std::uint32_t count = TRY(fields.number());
  for (std::uint32_t i = 0; i < count; ++i) {
    NamedFile file;
    file.name = TRY(fields.text());
    TRY(fields.text());  // a line for people
    file.attributes = TRY(fields.attributes());
    files.push_back(std::move(file));
  }
  return files;
}

}  // namespace

bool Attributes::is_folder() const {
  return mode && (*mode & kKindMask) == kFolder;
}

bool Attributes::is_regular() const {
  return mode && (*mode & kKindMask) == kRegular;
}

Request::Request(Message message, std::uint32_t id) : id_(id) {
  append_be(bytes_, 0, 4);
  bytes_.push_back(static_cast<std::uint8_t>(message));
  append_be(bytes_, id, 4);
}

Request& Request::number(std::uint32_t value) {
  append_be(bytes_, value, 4);
  return *this;
}

Request& Request::large_number(std::uint64_t value) {
  append_be(bytes_, value, 8);
  return *this;
}

Request& Request::text(std::string_view value) {
  append_be(bytes_, value.size(), 4);
  append(bytes_, as_bytes(value));
  return *this;
}

Request& Request::mode(std::uint32_t value) {
  return number(kHasMode).number(value);
}

ByteView Request::finish(std::size_t following) {
  Bytes length;
  append_be(length, bytes_.size() - 4 + following, 4);
  std::copy(length.begin(), length.end(), bytes_.begin());
  return bytes_;
}

Result<Reply> decode_reply(ByteView packet) {
  Fields fields(packet);
  Reply reply;
  reply.message = static_cast<Message>(TRY(fields.byte()));
  reply.id = TRY(fields.number());
  switch (reply.message) {
    case Message::kStatus:
      reply.status = static_cast<StatusCode>(TRY(fields.number()));
      // Old servers say no more than the code.
      if (!fields.at_end()) reply.text = TRY(fields.text());
      return reply;
    case Message::kHandle:
      reply.text = TRY(fields.text());
      return reply;
    case Message::kData: {
      const std::uint32_t size = TRY(fields.number());
      if (size != fields.left()) return broken();
      reply.rest = packet.size() - fields.left();
      return reply;
    }
    case Message::kName:
      reply.files = TRY(files_in(fields));
      return reply;
    case Message::kAttrs:
      reply.attributes = TRY(fields.attributes());
      return reply;
    case Message::kExtendedReply:
      reply.rest = packet.size() - fields.left();
      return reply;
    default:
      return broken();
  }
}

Result<Version> decode_version(ByteView packet) {
  Fields fields(packet);
  if (static_cast<Message>(TRY(fields.byte())) != Message::kVersion) return broken();
  Version version;
  version.number = TRY(fields.number());
  while (!fields.at_end()) {
    std::string name = TRY(fields.text());
    version.extensions.emplace_back(std::move(name), TRY(fields.text()));
  }
  return version;
}

// f_bsize, f_frsize, f_blocks, f_bfree, f_bavail and what is not of use.
Result<Space> decode_space(ByteView extended) {
  Fields fields(extended);
  TRY(fields.large_number());
  const std::uint64_t unit = TRY(fields.large_number());
  TRY(fields.large_number());
  TRY(fields.large_number());
  const std::uint64_t available = TRY(fields.large_number());
  std::uint64_t bytes = 0;
  if (__builtin_mul_overflow(unit, available, &bytes)) bytes = UINT64_MAX;
  return Space{.bytes_free = bytes};
}

// max-packet-length, max-read-length, max-write-length, max-open-handles.
Result<Limits> decode_limits(ByteView extended) {
  Fields fields(extended);
  Limits limits;
  limits.packet_max = TRY(fields.large_number());
  limits.read_max = TRY(fields.large_number());
  limits.write_max = TRY(fields.large_number());
  return limits;
}

}  // namespace backstay::backend::sftp
