#include "crypto/shares.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/bytes.h"

namespace backstay::crypto {

namespace {

constexpr unsigned kReduction = 0x1d;  // x^8 = x^4 + x^3 + x^2 + 1

// Without branches and tables, whatever the operands are.
std::uint8_t multiply(std::uint8_t a, std::uint8_t b) {
  unsigned product = 0;
  unsigned shifted = a;
  for (unsigned bit = 0; bit < 8; ++bit) {
    product ^= shifted & (0U - (b >> bit & 1U));
    shifted = (shifted << 1 & 0xffU) ^ (kReduction & (0U - (shifted >> 7)));
  }
  return static_cast<std::uint8_t>(product);
}

// a^254, which is 1/a.
std::uint8_t invert(std::uint8_t a) {
  std::uint8_t result = 1;
  std::uint8_t power = a;
  for (unsigned bit = 1; bit < 8; ++bit) {
    power = multiply(power, power);
    result = multiply(result, power);
  }
  return result;
}

std::unexpected<Error> fail_shares(std::string what, std::string hint) {
  return std::unexpected(
      Error(ErrorCode::kInvalidArgument, std::move(what)).with_hint(std::move(hint)));
}

}  // namespace

Result<std::vector<Share>> split_secret(const Secret& secret, unsigned threshold, unsigned count,
                                        Rng& rng) {
  if (threshold < 2 || threshold > count || count > 255) {
    return fail_shares(fmt::format("a secret cannot be split into {} parts of which {} are needed",
                                   count, threshold),
                       "Give M/N with 2 <= M <= N <= 255, for example 3/5.");
  }
  std::vector<Share> shares(count);
  std::array<std::uint8_t, Share::kSetBytes> set{};
  rng.fill(set);
  for (unsigned i = 0; i < count; ++i) {
    shares[i].threshold = static_cast<std::uint8_t>(threshold);
    shares[i].number = static_cast<std::uint8_t>(i + 1);
    shares[i].set = set;
  }
  // Horner's rule, all bytes side by side: the highest coefficient first, the secret last.
  for (unsigned power = threshold - 1; power > 0; --power) {
    const Secret coefficients = Secret::random(rng);
    for (Share& share : shares) {
      for (std::size_t i = 0; i < Secret::kSize; ++i) {
        std::uint8_t& value = share.value.mutable_view()[i];
        value = multiply(value ^ coefficients.view()[i], share.number);
      }
    }
  }
  for (Share& share : shares) {
    for (std::size_t i = 0; i < Secret::kSize; ++i)
      share.value.mutable_view()[i] ^= secret.view()[i];
  }
  return shares;
}

Result<Secret> combine_shares(std::span<const Share> shares) {
  std::map<std::uint8_t, const Share*> by_number;
  for (const Share& share : shares) {
    const Share& first = shares.front();
    if (share.set != first.set || share.threshold != first.threshold) {
      return fail_shares("the shares are not of one secret",
                         "Shares that were made at different times do not fit each other.");
    }
    by_number.emplace(share.number, &share);
  }
  const unsigned needed = shares.empty() ? 2 : shares.front().threshold;
  if (by_number.size() < needed) {
    return fail_shares(fmt::format("{} shares are needed, and {} different ones are here", needed,
                                   by_number.size()),
                       "Collect more of the shares that were made together with these.");
  }
  // Lagrange's polynomial at 0. Numbers are no secret. More shares than are needed do no harm.
  Secret secret;
  for (const auto& [number, share] : by_number) {
    std::uint8_t factor = 1;
    for (const auto& [other, ignored] : by_number) {
      if (other == number) continue;
      factor = multiply(factor, multiply(other, invert(static_cast<std::uint8_t>(number ^ other))));
    }
    for (std::size_t i = 0; i < Secret::kSize; ++i)
      secret.mutable_view()[i] ^= multiply(factor, share->value.view()[i]);
  }
  return secret;
}

}  // namespace backstay::crypto
