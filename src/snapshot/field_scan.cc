#include "snapshot/field_scan.h"

#include "base/try.h"

namespace backstay::snapshot {

namespace {

std::size_t shortest_form_bytes(const Field& field) {
  const std::size_t tag = varint_bytes(std::uint64_t{field.number} << 3);
  if (!field.is_bytes) return tag + varint_bytes(field.value_number);
  return tag + varint_bytes(field.value_bytes.size()) + field.value_bytes.size();
}

}  // namespace

std::unexpected<Error> record_corruption(std::string_view record, std::string_view problem) {
  std::string message(record);
  message += ": ";
  message += problem;
  return fail(ErrorCode::kCorruption, std::move(message));
}

Result<std::uint64_t> shortest_varint(ByteReader& reader) {
  const std::size_t before = reader.remaining();
  const std::uint64_t value = TRY(reader.varint());
  if (before - reader.remaining() != varint_bytes(value)) {
    return fail(ErrorCode::kCorruption, "a number is not in its shortest form");
  }
  return value;
}

Result<bool> FieldScan::next() {
  while (!reader_.done()) {
    field_ = TRY_DOING(std::string(shape_.name), reader_.next());
    const std::size_t size = shortest_form_bytes(field_);
    bytes_left_ -= size;  // Never below zero: no form is shorter than the shortest.
    TRY(check_order());
    last_number_ = field_.number;
    if (field_.number > shape_.last) continue;
    seen_.add(field_.number);
    if (field_.is_bytes != shape_.bytes.has(field_.number)) {
      return record_corruption(shape_.name, "a field has the wrong wire type");
    }
    return true;
  }
  if (bytes_left_ != 0)
    return record_corruption(shape_.name, "a number is not in its shortest form");
  return false;
}

Result<void> FieldScan::check_order() const {
  if (field_.number > last_number_) return {};
  const bool may_repeat = field_.number > shape_.last || shape_.repeated.has(field_.number);
  if (field_.number == last_number_ && may_repeat) return {};
  return record_corruption(shape_.name, "fields are out of order");
}

}  // namespace backstay::snapshot
