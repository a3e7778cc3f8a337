#include "repo/config.h"

#include <gtest/gtest.h>

#include "base/record.h"
#include "repo/testing/fixture.h"

namespace backstay::repo {
namespace {

Config sample_config() {
  SeededRng rng(1);
  Config config = small_config(rng);
  config.optional_features = {"colours", "sounds"};
  config.suite = crypto::Suite::kChaCha20Poly1305;
  config.compression = {.mode = Compression::Mode::kLevel, .level = -3};
  return config;
}

// The config's record as it is after `change`, in an object with a fitting checksum.
Bytes with_record(const std::function<void(Bytes&)>& change) {
  const Config config = sample_config();
  auto object = decode_plain_object(ObjectKind::kConfig, encode_config(config));
  change(object->record);
  return encode_plain_object(ObjectKind::kConfig, config.id, object->record);
}

// One field replaced by another number, or left out.
Bytes with_number(std::uint32_t field, std::optional<std::uint64_t> value) {
  return with_record([&](Bytes& record) {
    Bytes changed;
    RecordWriter writer(changed);
    RecordReader reader(record);
    while (!reader.done()) {
      const auto read = reader.next();
      const std::uint64_t number = read->number == field && value ? *value : read->value_number;
      if (read->is_bytes) {
        writer.bytes(read->number, read->value_bytes);
      } else if (read->number != field || value) {
        writer.number(read->number, number);
      }
    }
    record = changed;
  });
}

std::string_view code_with(std::uint32_t field, std::uint64_t value) {
  return code_of(decode_config(with_number(field, value)));
}

TEST(Config, IsReadBack) {
  const Config config = sample_config();
  const auto decoded = decode_config(encode_config(config));
  ASSERT_EQ(problem(decoded), "");
  EXPECT_EQ(decoded->id, config.id);
  EXPECT_EQ(decoded->optional_features, config.optional_features);
  EXPECT_EQ(decoded->created, config.created);
  EXPECT_EQ(decoded->suite, config.suite);
  EXPECT_EQ(decoded->cut, config.cut);
  EXPECT_EQ(decoded->fixed_piece_bytes, config.fixed_piece_bytes);
  EXPECT_EQ(decoded->compression, config.compression);
  EXPECT_EQ(decoded->pack_bytes, config.pack_bytes);
  EXPECT_EQ(decoded->frame_bytes, config.frame_bytes);
  EXPECT_EQ(decoded->program, config.program);
}

TEST(Config, KeepsEveryCompression) {
  Config config = sample_config();
  std::vector<Compression> all{{.mode = Compression::Mode::kOff}, {}};
  for (int level = -7; level <= 22; ++level) {
    if (level != 0) all.push_back({.mode = Compression::Mode::kLevel, .level = level});
  }
  for (const Compression& compression : all) {
    config.compression = compression;
    const auto decoded = decode_config(encode_config(config));
    ASSERT_EQ(problem(decoded), "");
    EXPECT_EQ(to_string(decoded->compression), to_string(compression));
    const auto parsed = parse_compression(to_string(compression));
    ASSERT_EQ(problem(parsed), "");
    EXPECT_EQ(to_string(*parsed), to_string(compression));
  }
}

TEST(Config, WithAnyByteChangedIsRefused) {
  for_each_flip(encode_config(sample_config()), [](const Bytes& damaged, std::size_t at) {
    const auto decoded = decode_config(damaged);
    ASSERT_FALSE(decoded) << "byte " << at;
    EXPECT_TRUE(is_damage(decoded.error().code())) << decoded.error().describe();
  });
}

TEST(Config, CutShortAnywhereIsCorruption) {
  for_each_prefix(encode_config(sample_config()),
                  [](ByteView prefix) { EXPECT_EQ(code_of(decode_config(prefix)), "corruption"); });
}

TEST(Config, OfAnotherVersionIsUnsupported) {
  EXPECT_EQ(code_with(1, 1), "no failure");
  EXPECT_EQ(code_with(1, 2), "unsupported");
  EXPECT_EQ(code_with(1, 0), "unsupported");
}

TEST(Config, WithARequiredFeatureIsUnsupportedAndNamesIt) {
  Config config = sample_config();
  config.required_features = {"teleportation"};
  const auto decoded = decode_config(encode_config(config));
  ASSERT_EQ(code_of(decoded), "unsupported");
  EXPECT_NE(decoded.error().describe().find("teleportation"), std::string::npos);
}

TEST(Config, WithNumbersOutOfRangeIsRefused) {
  EXPECT_EQ(code_with(6, 9), "unsupported");              // cipher suite
  EXPECT_EQ(code_with(5, 1'000'000'000), "corruption");   // nanoseconds
  EXPECT_EQ(code_with(7, 63), "corruption");              // least chunk
  EXPECT_EQ(code_with(8, 5000), "corruption");            // normal chunk: no power of two
  EXPECT_EQ(code_with(9, (1U << 24) + 1), "corruption");  // greatest chunk
  EXPECT_EQ(code_with(9, 1ULL << 40), "corruption");
  EXPECT_EQ(code_with(10, 0), "corruption");  // fixed piece
  EXPECT_EQ(code_with(10, (1U << 24) + 1), "corruption");
  EXPECT_EQ(code_with(11, 100), "corruption");  // zstd level 0
  EXPECT_EQ(code_with(11, 2), "corruption");
  EXPECT_EQ(code_with(11, 123), "corruption");
  EXPECT_EQ(code_with(11, ~0ULL), "corruption");
  EXPECT_EQ(code_with(12, 1000), "corruption");  // pack
  EXPECT_EQ(code_with(12, 1ULL << 31), "corruption");
  EXPECT_EQ(code_with(13, 0), "corruption");  // frame
  EXPECT_EQ(code_with(13, (1U << 24) + 1), "corruption");
}

TEST(Config, WithoutAFieldThatDecidesSomethingIsCorruption) {
  for (const std::uint32_t field : {1U, 6U, 7U, 8U, 9U, 10U, 11U, 12U, 13U}) {
    EXPECT_EQ(code_of(decode_config(with_number(field, std::nullopt))), "corruption") << field;
  }
  for (const std::uint32_t field : {4U, 5U}) {
    EXPECT_EQ(problem(decode_config(with_number(field, std::nullopt))), "") << field;
  }
}

TEST(Config, SkipsFieldsOfLaterVersions) {
  const Bytes object = with_record([](Bytes& record) {
    RecordWriter writer(record);
    writer.number(15, 7);
    writer.text(16, "something new");
  });
  EXPECT_EQ(problem(decode_config(object)), "");
}

TEST(Config, WithFieldsOutOfOrderOrOfAWrongTypeIsCorruption) {
  EXPECT_EQ(code_of(decode_config(with_record([](Bytes& record) {
              RecordWriter writer(record);
              writer.number(12, 1 << 20);
            }))),
            "corruption");
  EXPECT_EQ(code_of(decode_config(with_record([](Bytes& record) {
              Bytes first;
              RecordWriter writer(first);
              writer.text(1, "1");
              record.erase(record.begin(), record.begin() + 2);
              record.insert(record.begin(), first.begin(), first.end());
            }))),
            "corruption");
}

TEST(Compression, RefusesWhatIsNone) {
  for (const char* text : {"", "0", "23", "-8", "fast", "1 ", " 1", "1x", "99999999999999999999"}) {
    const auto parsed = parse_compression(text);
    EXPECT_EQ(code_of(parsed), "invalid_argument") << text;
    EXPECT_TRUE(!parsed && !parsed.error().hint().empty()) << text;
  }
}

}  // namespace
}  // namespace backstay::repo
