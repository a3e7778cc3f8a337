#include "backend/store_world.h"

#include <fmt/format.h>

#include <charconv>

namespace backstay::backend {

std::string authorities_file(const Variables& variable) {
  if (auto file = variable("BACKSTAY_CA_FILE")) return *std::move(file);
  return variable("SSL_CERT_FILE").value_or("");
}

Result<std::size_t> connections_in(const Variables& variable, std::string_view name,
                                   std::size_t otherwise) {
  constexpr std::size_t kConnectionsMax = 64;
  const auto text = variable(name);
  if (!text) return otherwise;
  std::size_t count = 0;
  const char* const last = text->data() + text->size();
  const auto [end, error] = std::from_chars(text->data(), last, count);
  if (error == std::errc{} && end == last && count >= 1 && count <= kConnectionsMax) return count;
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("{} is a number from 1 to {}, and here it is something else", name,
                          kConnectionsMax));
}

}  // namespace backstay::backend
