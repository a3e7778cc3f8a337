#include "backend/s3/profile.h"

#include "base/bytes.h"
#include "base/try.h"
#include "io/file.h"

namespace backstay::backend::s3 {
namespace {

constexpr std::uint64_t kFileMax = 1 << 20;

std::string_view trimmed_line(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r";
  const std::size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

// "[ profile x ]" and "[profile x]" are the same.
std::string section_name(std::string_view line) {
  std::string name;
  for (const char c : trimmed_line(line.substr(1, line.find(']') - 1))) {
    const bool blank = c == ' ' || c == '\t';
    if (!blank) name += c;
    if (blank && !name.ends_with(' ')) name += ' ';
  }
  return name;
}

Result<std::string> text_of(const std::string& path) {
  const Result<Bytes> bytes = io::read_file(path, kFileMax);
  if (bytes) return std::string(as_text(*bytes));
  if (bytes.error().code() == ErrorCode::kNotFound) return std::string();
  return std::unexpected(bytes.error().clone());
}

}  // namespace

Profile parse_section(std::string_view text, std::string_view section) {
  Profile profile;
  bool inside = false;
  while (!text.empty()) {
    const std::string_view whole = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), whole.size() + 1));
    const std::string_view line = trimmed_line(whole);
    if (line.starts_with('[')) {
      inside = section_name(line) == section;
      continue;
    }
    const std::size_t equals = line.find('=');
    // What is indented belongs to a setting that has settings.
    const bool nested = whole.starts_with(' ') || whole.starts_with('\t');
    const bool comment = line.starts_with('#') || line.starts_with(';');
    if (!inside || nested || comment || equals == std::string_view::npos) continue;
    profile.insert_or_assign(std::string(trimmed_line(line.substr(0, equals))),
                             std::string(trimmed_line(line.substr(equals + 1))));
  }
  return profile;
}

std::string profile_name(const Lookup& environment, std::string_view wished) {
  if (!wished.empty()) return std::string(wished);
  return environment("AWS_PROFILE").value_or("default");
}

Result<Profile> read_profile(const Lookup& environment, std::string_view name) {
  const std::string folder = environment("HOME").value_or("") + "/.aws/";
  const std::string credentials =
      environment("AWS_SHARED_CREDENTIALS_FILE").value_or(folder + "credentials");
  const std::string config = environment("AWS_CONFIG_FILE").value_or(folder + "config");
  Profile profile = parse_section(TRY(text_of(credentials)), name);
  const std::string section = name == "default" ? "default" : "profile " + std::string(name);
  profile.merge(parse_section(TRY(text_of(config)), section));
  return profile;
}

}  // namespace backstay::backend::s3
