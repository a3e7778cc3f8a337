// Records: the encoding of every structured thing in a repository (docs/format.md section 2).
// It is the subset of the Protocol Buffers wire format with varints (wire type 0) and byte strings
// (wire type 2), so that any stranger's tools can look inside.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "base/error.h"

namespace backstay {

void append_varint(Bytes& out, std::uint64_t value);

[[nodiscard]] inline std::uint64_t zigzag(std::int64_t value) {
  return (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
}
[[nodiscard]] inline std::int64_t unzigzag(std::uint64_t value) {
  return static_cast<std::int64_t>(value >> 1) ^ -static_cast<std::int64_t>(value & 1);
}

// Writes fields; the caller keeps field numbers ascending. Zero and empty fields are written too.
class RecordWriter {
 public:
  explicit RecordWriter(Bytes& out) : out_(out) {}
  void number(std::uint32_t field, std::uint64_t value);
  void signed_number(std::uint32_t field, std::int64_t value) { number(field, zigzag(value)); }
  void bytes(std::uint32_t field, ByteView value);
  void text(std::uint32_t field, std::string_view value) { bytes(field, as_bytes(value)); }

 private:
  Bytes& out_;
};

// Reads raw bytes from left to right. Every failure is `corruption`; nothing is read past the end.
class ByteReader {
 public:
  explicit ByteReader(ByteView input) : rest_(input) {}
  [[nodiscard]] bool done() const { return rest_.empty(); }
  [[nodiscard]] std::size_t remaining() const { return rest_.size(); }
  Result<std::uint64_t> varint();
  Result<std::uint8_t> byte();
  Result<ByteView> take(std::uint64_t length);

 private:
  ByteView rest_;
};

// One field of a record. `value` borrows from the input.
struct Field {
  std::uint32_t number = 0;
  bool is_bytes = false;
  std::uint64_t value_number = 0;
  ByteView value_bytes;
};

// Reads fields in order; unknown ones are for the caller to skip.
//   RecordReader reader(input);
//   while (!reader.done()) { const Field field = TRY(reader.next()); switch (field.number) ... }
class RecordReader {
 public:
  explicit RecordReader(ByteView input) : reader_(input) {}
  [[nodiscard]] bool done() const { return reader_.done(); }
  Result<Field> next();

 private:
  ByteReader reader_;
};

}  // namespace backstay
