#include <fmt/format.h>

#include <algorithm>

#include "base/try.h"
#include "config/file.h"

namespace backstay::config {
namespace {

// What an opening "${" begins.
struct Reference {
  std::string_view name;
  std::optional<std::string_view> otherwise;
  std::size_t length = 0;  // of all, with the sign
};

bool is_variable_name(std::string_view name) {
  const auto good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  return !name.empty() && std::ranges::all_of(name, good);
}

// Nothing where the text is not of that form: then it stands for itself.
std::optional<Reference> reference_at(std::string_view text) {
  const std::size_t end = text.find('}');
  if (!text.starts_with("${") || end == text.npos) return std::nullopt;
  Reference reference{.name = text.substr(2, end - 2), .otherwise = {}, .length = end + 1};
  const std::size_t mark = reference.name.find(":-");
  if (mark != reference.name.npos) {
    reference.otherwise = reference.name.substr(mark + 2);
    reference.name = reference.name.substr(0, mark);
  }
  if (!is_variable_name(reference.name)) return std::nullopt;
  return reference;
}

// Calls `each` for every reference, and gives what is between to `between`.
template <typename Each, typename Between>
void walk(std::string_view text, const Each& each, const Between& between) {
  while (!text.empty()) {
    if (text.starts_with("$$")) {
      between('$');
      text.remove_prefix(2);
    } else if (const auto reference = reference_at(text)) {
      each(*reference);
      text.remove_prefix(reference->length);
    } else {
      between(text.front());
      text.remove_prefix(1);
    }
  }
}

}  // namespace

Result<std::string> expand(std::string_view text, const Lookup& lookup) {
  std::string out;
  std::string missing;
  walk(
      text,
      [&](const Reference& reference) {
        if (const auto value = lookup(reference.name))
          out += *value;
        else if (reference.otherwise)
          out += *reference.otherwise;
        else if (missing.empty())
          missing = reference.name;
      },
      [&](char c) { out += c; });
  if (missing.empty()) return out;
  return fail(ErrorCode::kNotFound, fmt::format("the variable {} is not set", missing));
}

std::vector<std::string> unset_variables(std::string_view text, const Lookup& lookup) {
  std::vector<std::string> names;
  walk(
      text,
      [&](const Reference& reference) {
        if (!reference.otherwise && !lookup(reference.name)) names.emplace_back(reference.name);
      },
      [](char) {});
  return names;
}

}  // namespace backstay::config
