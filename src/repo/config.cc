#include "repo/config.h"

#include <fmt/format.h>

#include <charconv>
#include <limits>

#include "base/record.h"
#include "base/try.h"
#include "compress/zstd_codec.h"
#include "snapshot/field_scan.h"

namespace backstay::repo {

namespace {

constexpr std::uint64_t kFormatVersion = 1;
constexpr std::uint64_t kConfigNanosMax = 999'999'999;
constexpr std::int64_t kLevelBias = 100;

using snapshot::FieldSet;
constexpr snapshot::RecordShape kConfigShape{
    .name = "config", .last = 14, .bytes = FieldSet(2, 3, 14), .repeated = FieldSet(2, 3)};
constexpr FieldSet kConfigRequired(1, 6, 7, 8, 9, 10, 11, 12, 13);

std::uint64_t number_of(const Compression& compression) {
  switch (compression.mode) {
    case Compression::Mode::kOff:
      return 0;
    case Compression::Mode::kAuto:
      return 1;
    case Compression::Mode::kLevel:
      return static_cast<std::uint64_t>(compression.level + kLevelBias);
  }
  return 1;
}

Result<Compression> compression_from_number(std::uint64_t number) {
  if (number == 0) return Compression{.mode = Compression::Mode::kOff};
  if (number == 1) return Compression{};
  const std::int64_t level = static_cast<std::int64_t>(number) - kLevelBias;
  if (number > 1000 || level < compress::kLevelMin || level > compress::kLevelMax || level == 0) {
    return fail(ErrorCode::kCorruption, "the compression level is absurd");
  }
  return Compression{.mode = Compression::Mode::kLevel, .level = static_cast<int>(level)};
}

Result<std::uint32_t> number_between(std::uint64_t value, std::uint64_t low, std::uint64_t high) {
  if (value < low || value > high) {
    return fail(ErrorCode::kCorruption, fmt::format("the number {} is out of range", value));
  }
  return static_cast<std::uint32_t>(value);
}

std::unexpected<Error> unsupported(std::string what) {
  return std::unexpected(Error(ErrorCode::kUnsupported, std::move(what))
                             .with_hint("Use a newer backstay for this repository."));
}

}  // namespace

Result<Compression> parse_compression(std::string_view text) {
  if (text == "off" || text == "none") return Compression{.mode = Compression::Mode::kOff};
  if (text == "auto") return Compression{};
  int level = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), level);
  if (error != std::errc{} || end != text.data() + text.size() || level < compress::kLevelMin ||
      level > compress::kLevelMax || level == 0) {
    return std::unexpected(
        Error(ErrorCode::kInvalidArgument, fmt::format("'{}' is not a compression", text))
            .with_hint(fmt::format("Use off, auto, or a zstd level from {} to {} other than 0.",
                                   compress::kLevelMin, compress::kLevelMax)));
  }
  return Compression{.mode = Compression::Mode::kLevel, .level = level};
}

std::string to_string(const Compression& compression) {
  switch (compression.mode) {
    case Compression::Mode::kOff:
      return "off";
    case Compression::Mode::kAuto:
      return "auto";
    case Compression::Mode::kLevel:
      return fmt::format("{}", compression.level);
  }
  return "auto";
}

Bytes encode_config(const Config& config) {
  Bytes record;
  RecordWriter out(record);
  out.number(1, kFormatVersion);
  for (const std::string& feature : config.required_features) out.text(2, feature);
  for (const std::string& feature : config.optional_features) out.text(3, feature);
  out.signed_number(4, config.created.seconds);
  out.number(5, config.created.nanos);
  out.number(6, static_cast<std::uint64_t>(config.suite));
  out.number(7, config.cut.min_bytes);
  out.number(8, config.cut.normal_bytes);
  out.number(9, config.cut.max_bytes);
  out.number(10, config.fixed_piece_bytes);
  out.number(11, number_of(config.compression));
  out.number(12, config.pack_bytes);
  out.number(13, config.frame_bytes);
  out.text(14, config.program);
  return encode_plain_object(ObjectKind::kConfig, config.id, record);
}

static Result<void> take_field(Config& config, const Field& field) {
  constexpr std::uint64_t kU32 = std::numeric_limits<std::uint32_t>::max();
  switch (field.number) {
    case 1:
      if (field.value_number != kFormatVersion) {
        return unsupported(fmt::format("the repository has format version {}", field.value_number));
      }
      return {};
    case 2:
      // Before any field that the feature may give another meaning.
      return unsupported(
          fmt::format("the repository needs the feature '{}'", as_text(field.value_bytes)));
    case 3:
      config.optional_features.emplace_back(as_text(field.value_bytes));
      return {};
    case 4:
      config.created.seconds = unzigzag(field.value_number);
      return {};
    case 5:
      config.created.nanos = TRY(number_between(field.value_number, 0, kConfigNanosMax));
      return {};
    case 6:
      config.suite = TRY(crypto::suite_from_number(field.value_number));
      return {};
    case 7:
      config.cut.min_bytes = TRY(number_between(field.value_number, 0, kU32));
      return {};
    case 8:
      config.cut.normal_bytes = TRY(number_between(field.value_number, 0, kU32));
      return {};
    case 9:
      config.cut.max_bytes = TRY(number_between(field.value_number, 0, kU32));
      return {};
    case 10:
      config.fixed_piece_bytes = TRY(number_between(field.value_number, 512, kFrameMax));
      return {};
    case 11:
      config.compression = TRY(compression_from_number(field.value_number));
      return {};
    case 12:
      config.pack_bytes = TRY(number_between(field.value_number, 64 * 1024, 1U << 30));
      return {};
    case 13:
      config.frame_bytes = TRY(number_between(field.value_number, 1024, kFrameMax));
      return {};
    case 14:
      config.program = as_text(field.value_bytes);
      return {};
    default:
      return {};
  }
}

Result<Config> decode_config(ByteView stored) {
  const PlainObject object = TRY(decode_plain_object(ObjectKind::kConfig, stored));
  Config config;
  config.id = object.header.repository;
  snapshot::FieldScan scan(object.record, kConfigShape);
  while (TRY(scan.next())) TRY(take_field(config, scan.field()));
  if (!scan.seen().has_all(kConfigRequired)) {
    return fail(ErrorCode::kCorruption, "the config is incomplete");
  }
  if (!chunk::validate(config.cut)) {
    return fail(ErrorCode::kCorruption, "the sizes of chunks make no sense");
  }
  return config;
}

}  // namespace backstay::repo
