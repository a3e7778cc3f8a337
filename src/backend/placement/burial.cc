#include "backend/placement/burial.h"

#include <fmt/format.h>

#include <string>

#include "backend/placement/view.h"
#include "base/record.h"
#include "base/try.h"
#include "crypto/hash.h"

namespace backstay::backend::placement {
namespace {

constexpr std::string_view kTombstoneMagic = "BKSTPRM1";

std::unexpected<Error> not_a_tombstone(std::string_view why) {
  return fail(ErrorCode::kCorruption, fmt::format("a tombstone {}", why));
}

Result<ValueId> decode_value(ByteView bytes) {
  if (bytes.size() != crypto::Digest::kSize + Nonce::kSize)
    return not_a_tombstone("has a value of a wrong length");
  ValueId value;
  value.hash = *crypto::Digest::from_bytes(bytes.first(crypto::Digest::kSize));
  value.nonce = *Nonce::from_bytes(bytes.subspan(crypto::Digest::kSize));
  return value;
}

// What a tombstone is about, and what it says.
struct ReadTombstone {
  std::string name;
  Burial burial;
};

Result<ReadTombstone> read_record(ByteView bytes) {
  constexpr std::size_t kHash = crypto::Digest::kSize;
  if (bytes.size() < kTombstoneMagic.size() + kHash || bytes.size() > kTombstoneBytesMax)
    return not_a_tombstone("has a wrong length");
  const ByteView body = bytes.first(bytes.size() - kHash);
  if (!same_bytes(crypto::blake3(body).view(), bytes.last(kHash)))
    return not_a_tombstone("does not match its hash");
  if (as_text(body.first(kTombstoneMagic.size())) != kTombstoneMagic)
    return not_a_tombstone("begins with something else");
  ReadTombstone read{.name = {}, .burial = {.stands = true}};
  RecordReader reader(body.subspan(kTombstoneMagic.size()));
  while (!reader.done()) {
    const Field field = TRY(reader.next());
    if (field.number == 1) read.name = as_text(field.value_bytes);
    if (field.number == 2) read.burial.values.insert(TRY(decode_value(field.value_bytes)));
  }
  if (!validate_name(read.name)) return not_a_tombstone("is about no object");
  read.burial.all = read.burial.values.empty();
  return read;
}

}  // namespace

Bytes encode_tombstone(std::string_view name, const std::set<ValueId>& values) {
  Bytes out = to_owned(as_bytes(kTombstoneMagic));
  RecordWriter writer(out);
  writer.text(1, name);
  for (const ValueId& value : values) {
    Bytes id = to_owned(value.hash.view());
    append(id, value.nonce.view());
    writer.bytes(2, id);
  }
  append(out, crypto::blake3(out).view());
  return out;
}

Result<Burial> decode_tombstone(std::string_view name, ByteView bytes) {
  const ReadTombstone read = TRY(read_record(bytes));
  if (read.name != name) return not_a_tombstone("is about another object");
  return read.burial;
}

Result<std::string> name_of_tombstone(ByteView bytes) {
  return TRY(read_record(bytes)).name;
}

Result<Burial> read_burial(Backend& store, std::string_view name) {
  Burial of_all{.stands = true, .all = true};
  const Result<Bytes> bytes = store.get(tombstone_name(name), kTombstoneBytesMax);
  if (bytes) {
    Result<Burial> burial = decode_tombstone(name, *bytes);
    return burial ? *std::move(burial) : of_all;
  }
  switch (bytes.error().code()) {
    case ErrorCode::kNotFound:
      return Burial{};
    case ErrorCode::kCorruption:
    case ErrorCode::kInvalidArgument:
      return of_all;
    default:
      return std::unexpected(bytes.error().clone());
  }
}

Result<void> put_tombstone(Backend& store, std::string_view name, const std::set<ValueId>& values) {
  const std::string tombstone = tombstone_name(name);
  Result<void> put = store.put(tombstone, encode_tombstone(name, values));
  if (put || put.error().code() != ErrorCode::kAlreadyExists) return put;
  const Burial there = TRY(read_burial(store, name));
  if (there.all) return {};
  std::set<ValueId> both = there.values;
  both.insert(values.begin(), values.end());
  const bool enough = !values.empty() && both.size() == there.values.size();
  if (enough && there.stands) return {};
  if (there.stands) TRY(store.remove(tombstone));
  return store.put(tombstone, encode_tombstone(name, values.empty() ? values : both));
}

}  // namespace backstay::backend::placement
