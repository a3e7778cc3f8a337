#include "erasure/erasure_code.h"

#include <fmt/format.h>
#include <isa-l/erasure_code.h>

#include <algorithm>
#include <vector>

#include "base/assert.h"

namespace backstay::erasure {

namespace {

// What ISA-L takes at once, in an int.
constexpr std::size_t kLengthAtOnce = std::size_t{1} << 30;
constexpr std::size_t kTableBytes = 32;  // of one coefficient

std::uint8_t coefficient(unsigned shard, unsigned slot) {
  ASSERT(is_geometry(slot + 1, shard + 1));
  return gf_inv(static_cast<unsigned char>((kNumbersMax - 1 - shard) ^ slot));
}

// Rows of coefficients, one for each source, in the form in which they are applied.
Bytes tables_of(Bytes matrix, std::size_t sources, std::size_t rows) {
  Bytes tables(kTableBytes * sources * rows);
  ec_init_tables(static_cast<int>(sources), static_cast<int>(rows), matrix.data(), tables.data());
  return tables;
}

// Targets are the rows of the matrix times the sources. ISA-L reads sources through pointers that
// are not const.
void multiply(std::size_t length, const Bytes& matrix, std::vector<const std::uint8_t*> sources,
              std::vector<std::uint8_t*> targets) {
  Bytes tables = tables_of(matrix, sources.size(), targets.size());
  std::vector<unsigned char*> in(sources.size());
  while (length > 0) {
    const std::size_t now = std::min(length, kLengthAtOnce);
    std::ranges::transform(sources, in.begin(),
                           [](const std::uint8_t* at) { return const_cast<unsigned char*>(at); });
    ec_encode_data(static_cast<int>(now), static_cast<int>(in.size()),
                   static_cast<int>(targets.size()), tables.data(), in.data(), targets.data());
    for (auto& source : sources) source += now;
    for (auto& target : targets) target += now;
    length -= now;
  }
}

}  // namespace

void encode(std::size_t length, std::span<const Block> data, std::span<const MutableBlock> shards) {
  if (shards.empty()) return;
  if (data.empty()) {
    for (const MutableBlock& shard : shards) std::fill_n(shard.bytes, length, std::uint8_t{0});
    return;
  }
  Bytes matrix;
  std::vector<const std::uint8_t*> sources;
  std::vector<std::uint8_t*> targets;
  for (const Block& block : data) sources.push_back(block.bytes);
  for (const MutableBlock& shard : shards) {
    targets.push_back(shard.bytes);
    for (const Block& block : data) matrix.push_back(coefficient(shard.number, block.number));
  }
  multiply(length, matrix, std::move(sources), std::move(targets));
}

void update(std::size_t length, const Block& data, std::span<const MutableBlock> shards) {
  if (shards.empty()) return;
  Bytes matrix;
  std::vector<unsigned char*> targets;
  for (const MutableBlock& shard : shards) {
    matrix.push_back(coefficient(shard.number, data.number));
    targets.push_back(shard.bytes);
  }
  Bytes tables = tables_of(std::move(matrix), 1, shards.size());
  auto* source = const_cast<unsigned char*>(data.bytes);
  while (length > 0) {
    const std::size_t now = std::min(length, kLengthAtOnce);
    ec_encode_data_update(static_cast<int>(now), 1, static_cast<int>(targets.size()), 0,
                          tables.data(), source, targets.data());
    source += now;
    for (auto& target : targets) target += now;
    length -= now;
  }
}

// With A the coefficients of some shards for the lost blocks and B those for the others, the shards
// are A·lost + B·others, so that lost = A⁻¹·shards + A⁻¹·B·others (signs do not matter here): one
// product, for which every block is read once.
Result<void> reconstruct(std::size_t length, std::span<const Block> data,
                         std::span<const Block> shards, std::span<const MutableBlock> lost) {
  if (lost.empty()) return {};
  if (shards.size() < lost.size()) {
    return fail(ErrorCode::kCorruption, fmt::format("{} blocks are lost and {} shards are whole",
                                                    lost.size(), shards.size()));
  }
  const std::size_t count = lost.size();
  Bytes square;
  for (std::size_t row = 0; row < count; ++row) {
    for (const MutableBlock& block : lost)
      square.push_back(coefficient(shards[row].number, block.number));
  }
  Bytes inverse(square.size());
  const int singular = gf_invert_matrix(square.data(), inverse.data(), static_cast<int>(count));
  ASSERT(singular == 0);  // a Cauchy matrix, unless a number was given twice

  Bytes matrix;
  std::vector<const std::uint8_t*> sources;
  std::vector<std::uint8_t*> targets;
  for (std::size_t i = 0; i < count; ++i) sources.push_back(shards[i].bytes);
  for (const Block& block : data) sources.push_back(block.bytes);
  for (std::size_t row = 0; row < count; ++row) {
    targets.push_back(lost[row].bytes);
    const std::uint8_t* const of_shards = &inverse[row * count];
    matrix.insert(matrix.end(), of_shards, of_shards + count);
    for (const Block& block : data) {
      std::uint8_t sum = 0;
      for (std::size_t i = 0; i < count; ++i)
        sum ^= gf_mul(of_shards[i], coefficient(shards[i].number, block.number));
      matrix.push_back(sum);
    }
  }
  multiply(length, matrix, std::move(sources), std::move(targets));
  return {};
}

}  // namespace backstay::erasure
