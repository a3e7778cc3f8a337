// Only the last `*` is ever tried again: whatever an earlier one could take in addition, the last
// one can take too. So matching needs no recursion and no pattern makes it exponential.
#include "snapshot/glob.h"

#include <cstddef>

namespace backstay::snapshot {

namespace {

struct Character {
  char32_t code = 0;
  std::size_t bytes = 1;
};

std::size_t utf8_length(unsigned char lead) {
  if (lead >= 0xf0 && lead <= 0xf4) return 4;
  if (lead >= 0xe0 && lead <= 0xef) return 3;
  return lead >= 0xc2 && lead <= 0xdf ? 2 : 1;
}

// The character at the start of `text`, which is not empty. A byte that is not UTF-8 stands for
// itself, apart from every real character.
Character character_at(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  const std::size_t length = utf8_length(lead);
  const Character raw{lead < 0x80 ? char32_t{lead} : 0x200000 + char32_t{lead}, 1};
  if (length == 1 || length > text.size()) return raw;
  char32_t code = lead & (0x7fU >> length);
  for (std::size_t i = 1; i < length; ++i) {
    const auto next = static_cast<unsigned char>(text[i]);
    if ((next & 0xc0U) != 0x80U) return raw;
    code = code << 6 | (next & 0x3fU);
  }
  return {code, length};
}

char32_t lower(char32_t code) {
  return code >= 'A' && code <= 'Z' ? code + ('a' - 'A') : code;
}
char32_t upper(char32_t code) {
  return code >= 'a' && code <= 'z' ? code - ('a' - 'A') : code;
}

// The bounds and negation of one `[...]`, read item by item.
class ClassReader {
 public:
  // `glob` starts with '['.
  explicit ClassReader(std::string_view glob) : rest_(glob.substr(1)) {
    negated_ = rest_.starts_with('!') || rest_.starts_with('^');
    if (negated_) rest_.remove_prefix(1);
  }

  // The next range; false at the closing bracket, which is taken, or on a defect.
  bool next() {
    if (rest_.empty()) return broken("'[' has no ']'");
    if (rest_[0] == ']' && !first_) {
      rest_.remove_prefix(1);
      return false;
    }
    first_ = false;
    if (!take(low_)) return false;
    high_ = low_;
    if (rest_.size() < 2 || rest_[0] != '-' || rest_[1] == ']') return true;
    rest_.remove_prefix(1);
    if (!take(high_)) return false;
    return high_ >= low_ || broken("a range in '[...]' runs backwards");
  }

  [[nodiscard]] bool holds(char32_t code) const { return code >= low_ && code <= high_; }
  [[nodiscard]] bool negated() const { return negated_; }
  [[nodiscard]] std::string_view rest() const { return rest_; }
  [[nodiscard]] std::string_view defect() const { return defect_; }

 private:
  bool take(char32_t& code) {
    if (rest_[0] == '\\') rest_.remove_prefix(1);
    if (rest_.empty()) return broken("'[' has no ']'");
    const Character character = character_at(rest_);
    code = character.code;
    rest_.remove_prefix(character.bytes);
    return true;
  }
  bool broken(std::string_view defect) {
    defect_ = defect;
    return false;
  }

  std::string_view rest_;
  std::string_view defect_;
  char32_t low_ = 0;
  char32_t high_ = 0;
  bool negated_ = false;
  bool first_ = true;
};

// Matches one element of the glob other than `*` against one character; on success both move on.
bool step(std::string_view& glob, std::string_view& name, Case sensitivity) {
  const Character character = character_at(name);
  const bool fold = sensitivity == Case::kInsensitive;
  if (glob[0] == '[') {
    ClassReader reader(glob);
    bool held = false;
    while (reader.next()) {
      held = held || reader.holds(character.code) ||
             (fold && (reader.holds(lower(character.code)) || reader.holds(upper(character.code))));
    }
    if (held == reader.negated()) return false;
    glob = reader.rest();
  } else if (glob[0] == '?') {
    glob.remove_prefix(1);
  } else {
    if (glob[0] == '\\') glob.remove_prefix(1);
    const Character wanted = character_at(glob);
    const bool same =
        wanted.code == character.code || (fold && lower(wanted.code) == lower(character.code));
    if (!same) return false;
    glob.remove_prefix(wanted.bytes);
  }
  name.remove_prefix(character.bytes);
  return true;
}

}  // namespace

std::string_view glob_defect(std::string_view glob) {
  while (!glob.empty()) {
    if (glob[0] == '\\') {
      if (glob.size() == 1) return "it ends with a lone backslash";
      glob.remove_prefix(2);
    } else if (glob[0] == '[') {
      ClassReader reader(glob);
      while (reader.next()) {
      }
      if (!reader.defect().empty()) return reader.defect();
      glob = reader.rest();
    } else {
      glob.remove_prefix(1);
    }
  }
  return {};
}

bool glob_matches(std::string_view glob, std::string_view name, Case sensitivity) {
  std::string_view glob_after_star;
  std::string_view name_after_star;
  bool star = false;
  while (!name.empty()) {
    if (glob.starts_with('*')) {
      glob.remove_prefix(1);
      if (glob.empty()) return true;
      star = true;
      glob_after_star = glob;
      name_after_star = name;
    } else if (std::string_view next_glob = glob, next_name = name;
               !glob.empty() && step(next_glob, next_name, sensitivity)) {
      glob = next_glob;
      name = next_name;
    } else if (star) {
      name_after_star.remove_prefix(character_at(name_after_star).bytes);
      glob = glob_after_star;
      name = name_after_star;
    } else {
      return false;
    }
  }
  while (glob.starts_with('*')) glob.remove_prefix(1);
  return glob.empty();
}

}  // namespace backstay::snapshot
