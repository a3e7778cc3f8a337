// Reads the fields of a record as strictly as docs/format.md section 2 asks writers to be:
// ascending numbers, repeats only where the table has a star, shortest varints. What is read is
// then the only way to write it, unknown fields aside.
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/record.h"

namespace backstay::snapshot {

[[nodiscard]] inline std::size_t varint_bytes(std::uint64_t value) {
  return (static_cast<std::size_t>(std::bit_width(value | 1)) + 6) / 7;
}

// A varint that must be in its shortest form.
Result<std::uint64_t> shortest_varint(ByteReader& reader);

// A set of field numbers below 64.
class FieldSet {
 public:
  constexpr FieldSet() = default;
  template <typename... Numbers>
  constexpr explicit FieldSet(Numbers... numbers) {
    (add(static_cast<std::uint32_t>(numbers)), ...);
  }
  constexpr void add(std::uint32_t number) { bits_ |= std::uint64_t{1} << number; }
  [[nodiscard]] constexpr bool has(std::uint32_t number) const {
    return number < 64 && (bits_ >> number & 1) != 0;
  }
  [[nodiscard]] constexpr bool has_all(FieldSet others) const {
    return (bits_ & others.bits_) == others.bits_;
  }

 private:
  std::uint64_t bits_ = 0;
};

struct RecordShape {
  std::string_view name;   // for messages: "entry"
  std::uint32_t last = 0;  // the highest number that this version knows
  FieldSet bytes;          // fields of wire type 2; the other known ones are numbers
  FieldSet repeated;
};

class FieldScan {
 public:
  FieldScan(ByteView record, const RecordShape& shape)
      : reader_(record), shape_(shape), bytes_left_(record.size()) {}

  // The next known field: false at the end of the record.
  Result<bool> next();
  [[nodiscard]] const Field& field() const { return field_; }
  [[nodiscard]] FieldSet seen() const { return seen_; }

 private:
  Result<void> check_order() const;

  RecordReader reader_;
  const RecordShape& shape_;
  Field field_;
  std::uint32_t last_number_ = 0;
  FieldSet seen_;
  std::size_t bytes_left_;  // after taking off what each field takes in its shortest form
};

[[nodiscard]] std::unexpected<Error> record_corruption(std::string_view record,
                                                       std::string_view problem);

}  // namespace backstay::snapshot
