#include "base/record.h"

#include "base/try.h"

namespace backstay {

void append_varint(Bytes& out, std::uint64_t value) {
  while (value >= 0x80) {
    out.push_back(static_cast<std::uint8_t>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<std::uint8_t>(value));
}

void RecordWriter::number(std::uint32_t field, std::uint64_t value) {
  append_varint(out_, static_cast<std::uint64_t>(field) << 3);
  append_varint(out_, value);
}

void RecordWriter::bytes(std::uint32_t field, ByteView value) {
  append_varint(out_, static_cast<std::uint64_t>(field) << 3 | 2);
  append_varint(out_, value.size());
  append(out_, value);
}

Result<std::uint64_t> ByteReader::varint() {
  std::uint64_t value = 0;
  for (unsigned i = 0; i < 10; ++i) {
    if (i >= rest_.size()) return fail(ErrorCode::kCorruption, "number is cut short");
    const std::uint64_t bits = rest_[i] & 0x7fU;
    if (i == 9 && bits > 1) break;
    value |= bits << (7 * i);
    if ((rest_[i] & 0x80U) == 0) {
      rest_ = rest_.subspan(i + 1);
      return value;
    }
  }
  return fail(ErrorCode::kCorruption, "number is longer than 64 bits");
}

Result<std::uint8_t> ByteReader::byte() {
  const ByteView one = TRY(take(1));
  return one[0];
}

Result<ByteView> ByteReader::take(std::uint64_t length) {
  if (length > rest_.size()) return fail(ErrorCode::kCorruption, "field is cut short");
  const ByteView taken = rest_.first(static_cast<std::size_t>(length));
  rest_ = rest_.subspan(taken.size());
  return taken;
}

Result<Field> RecordReader::next() {
  const std::uint64_t key = TRY(reader_.varint());
  if (key >> 3 == 0 || key >> 3 > 0xffff)
    return fail(ErrorCode::kCorruption, "field number is absurd");
  Field field;
  field.number = static_cast<std::uint32_t>(key >> 3);
  switch (key & 7) {
    case 0:
      field.value_number = TRY(reader_.varint());
      return field;
    case 2: {
      const std::uint64_t length = TRY(reader_.varint());
      field.is_bytes = true;
      field.value_bytes = TRY(reader_.take(length));
      return field;
    }
    default:
      return fail(ErrorCode::kCorruption, "field has an unknown wire type");
  }
}

}  // namespace backstay
