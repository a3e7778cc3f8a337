#include "yaml/document.h"

#include <fmt/format.h>
#include <libfyaml.h>

#include <algorithm>
#include <charconv>

#include "base/suggest.h"
#include "base/try.h"

namespace backstay::yaml {
namespace {

constexpr std::size_t kTextMax = 4096;
constexpr std::size_t kWordsMax = 64 * 1024;

struct DiagDeleter {
  void operator()(fy_diag* diag) const { fy_diag_destroy(diag); }
};
using Diag = std::unique_ptr<fy_diag, DiagDeleter>;

// With some directives and bytes that are no text the library (version 0.7) does not come to an
// end; a file of settings needs no more than these. A directive is a line that begins with '%', and
// without '*' and '!' there are no aliases and no tags.
bool is_plain(std::string_view text) {
  constexpr std::string_view kMarks = " \t\r\n_./:@+~#,{}[]\"'-()=?&%$;";
  char before = '\n';
  for (const char c : text) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    const bool line_begins = before == '\n' || before == '\r';
    if ((!letter && !kMarks.contains(c)) || (c == '%' && line_begins)) return false;
    before = c;
  }
  return true;
}

// Of the first three bytes of a character: too long, surrogates, past the end of Unicode; and
// control characters past ASCII, of which YAML makes ends of lines.
bool is_forbidden(unsigned first, unsigned second, unsigned third) {
  return (first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F) ||
         (first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F) ||
         (first == 0xC2 && second < 0xA0) ||
         (first == 0xE2 && second == 0x80 && (third == 0xA8 || third == 0xA9)) ||
         (first == 0xEF && second == 0xBB && third == 0xBF);
}

// The length of the character that `text` begins with; 0 for what is no UTF-8 and for signs that do
// not print.
std::size_t written_character(std::string_view text) {
  const auto at = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const unsigned first = at(0);
  if (first < 0x80) {
    const bool blank = first == '\n' || first == '\t' || first == '\r';
    return (first >= 0x20 && first != 0x7F) || blank ? 1 : 0;
  }
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  constexpr unsigned kFirstMax = 0xF4;
  if (first < 0xC2 || first > kFirstMax || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((at(i) & 0xC0U) != 0x80) return 0;
  }
  return is_forbidden(first, at(1), at(2)) ? 0 : length;
}

// No directives here either, and one document: a line "---" stands only at the very beginning.
bool is_written(std::string_view text) {
  bool line_begins = true;
  for (std::size_t i = 0; i < text.size();) {
    const std::string_view rest = text.substr(i);
    const std::size_t length = written_character(rest);
    const bool new_document = i > 0 && rest.starts_with("---");
    if (length == 0 || (line_begins && (rest[0] == '%' || new_document || rest.starts_with("..."))))
      return false;
    line_begins = rest[0] == '\n' || rest[0] == '\r';
    i += length;
  }
  return true;
}

}  // namespace

void Document::Deleter::operator()(fy_document* document) const {
  fy_document_destroy(document);
}

// ---- nodes

std::string Node::place() const {
  fy_token* const token = node_ != nullptr ? fy_node_get_scalar_token(node_) : nullptr;
  const fy_mark* const mark = token != nullptr ? fy_token_start_mark(token) : nullptr;
  if (mark == nullptr) return document_->path_;
  return fmt::format("{}:{}:{}", document_->path_, mark->line + 1, mark->column + 1);
}

std::unexpected<Error> Node::wrong(std::string_view what) const {
  return std::unexpected(Error(ErrorCode::kInvalidArgument, fmt::format("{}: {}", place(), what))
                             .with_hint(document_->hint_));
}

Result<std::string_view> Node::text(std::string_view what) const {
  std::size_t length = 0;
  const char* text = nullptr;
  const bool plain = node_ != nullptr && fy_node_is_scalar(node_) && !fy_node_is_alias(node_);
  if (plain) text = fy_node_get_scalar(node_, &length);
  if (text == nullptr || length == 0 || length > kTextMax)
    return wrong(fmt::format("{} must be a text", what));
  return std::string_view(text, length);
}

Result<std::string_view> Node::words(std::string_view what) const {
  if (node_ != nullptr && fy_node_is_alias(node_))
    return wrong(
        fmt::format("{} begins with '*', which YAML takes for itself: put it in quotes", what));
  std::size_t tag_length = 0;
  if (node_ != nullptr && fy_node_get_tag(node_, &tag_length) != nullptr)
    return wrong(
        fmt::format("{} begins with '!', which YAML takes for itself: put it in quotes", what));
  std::size_t length = 0;
  const bool scalar = node_ != nullptr && fy_node_is_scalar(node_);
  const char* const text = scalar ? fy_node_get_scalar(node_, &length) : nullptr;
  if (scalar && length == 0) return std::string_view();
  if (text == nullptr || length > kWordsMax) return wrong(fmt::format("{} must be a text", what));
  return std::string_view(text, length);
}

Kind Node::kind() const {
  if (node_ == nullptr) return Kind::kNothing;
  if (fy_node_is_mapping(node_)) return Kind::kMapping;
  if (fy_node_is_sequence(node_)) return Kind::kList;
  if (fy_node_is_alias(node_) || is_quoted()) return Kind::kText;
  std::size_t length = 0;
  std::size_t tag_length = 0;
  const char* const text = fy_node_get_scalar(node_, &length);
  const std::string_view said = text != nullptr ? std::string_view(text, length) : "";
  if (fy_node_get_tag(node_, &tag_length) != nullptr) return Kind::kText;
  return said.empty() || said == "~" || said == "null" ? Kind::kNothing : Kind::kText;
}

Mark Node::mark() const {
  if (node_ == nullptr) return {};
  fy_token* token = fy_node_get_scalar_token(node_);
  // A mapping begins where its first key does.
  if (token == nullptr && fy_node_is_mapping(node_)) {
    void* iterator = nullptr;
    fy_node_pair* const first = fy_node_mapping_iterate(node_, &iterator);
    if (first != nullptr) token = fy_node_get_scalar_token(fy_node_pair_key(first));
  }
  const fy_mark* const mark = token != nullptr ? fy_token_start_mark(token) : nullptr;
  if (mark == nullptr) return {};
  return {.line = static_cast<std::uint32_t>(mark->line + 1),
          .column = static_cast<std::uint32_t>(mark->column + 1)};
}

bool Node::is_quoted() const {
  if (node_ == nullptr || !fy_node_is_scalar(node_)) return false;
  const fy_node_style style = fy_node_get_style(node_);
  return style != FYNS_PLAIN && style != FYNS_ANY;
}

Result<std::uint32_t> Node::number(std::string_view what, std::uint32_t max) const {
  const std::string_view digits = TRY(text(what));
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error == std::errc{} && end == digits.data() + digits.size() && value <= max) return value;
  return wrong(fmt::format("{} must be a whole number up to {}, not '{}'", what, max, digits));
}

Result<bool> Node::truth(std::string_view what) const {
  const std::string_view word = TRY(text(what));
  if (word == "true") return true;
  if (word == "false") return false;
  return wrong(fmt::format("{} is true or false, not '{}'", what, word));
}

Result<void> Node::for_each_pair(std::string_view what,
                                 const std::function<Result<void>(const Pair&)>& each) const {
  if (node_ == nullptr || !fy_node_is_mapping(node_))
    return wrong(fmt::format("{} must be a list of 'name: value'", what));
  void* iterator = nullptr;
  while (fy_node_pair* const pair = fy_node_mapping_iterate(node_, &iterator)) {
    const Node key(*document_, fy_node_pair_key(pair));
    TRY(each({.key_node = key,
              .key = TRY(key.text("a key")),
              .value = Node(*document_, fy_node_pair_value(pair))}));
  }
  return {};
}

Result<void> Node::for_each_item(std::string_view what,
                                 const std::function<Result<void>(const Node&)>& each) const {
  if (node_ == nullptr || !fy_node_is_sequence(node_))
    return wrong(fmt::format("{} must be a list, each item with '-' before it", what));
  void* iterator = nullptr;
  while (fy_node* const item = fy_node_sequence_iterate(node_, &iterator))
    TRY(each(Node(*document_, item)));
  return {};
}

std::unexpected<Error> Pair::unknown(std::string_view of,
                                     const std::vector<std::string>& known) const {
  const auto near = nearest(key, known);
  return key_node.wrong(near ? fmt::format("{} has no '{}'; did you mean '{}'?", of, key, *near)
                             : fmt::format("{} has no '{}'", of, key));
}

// ---- documents

std::unexpected<Error> Document::wrong(std::string_view what) const {
  return Node(*this, nullptr).wrong(what);
}

Node Document::root() const {
  return {*this, fy_document_root(document_.get())};
}

Result<Document> Document::parse(std::string_view text, std::string_view path, std::string hint,
                                 Signs signs) {
  Document made(path, std::move(hint));
  if (signs == Signs::kWritten && !is_written(text)) {
    return made.wrong(
        "there are bytes in the file that are no text in UTF-8, or a line that begins with %, --- "
        "or ..., which YAML takes for itself");
  }
  if (signs == Signs::kPlain && !is_plain(text)) {
    return made.wrong(
        "there are other signs than ASCII letters, digits and _./:@+~#,()=?&%$;- in the file");
  }
  const Diag diag(fy_diag_create(nullptr));
  if (diag == nullptr) return fail(ErrorCode::kInternal, "no memory to read YAML with");
  fy_diag_set_collect_errors(diag.get(), true);
  const fy_parse_cfg options{
      .search_path = nullptr,
      .flags = static_cast<fy_parse_cfg_flags>(FYPCF_QUIET | FYPCF_COLLECT_DIAG),
      .userdata = nullptr,
      .diag = diag.get()};
  made.document_.reset(fy_document_build_from_string(&options, text.data(), text.size()));
  if (made.document_ != nullptr) return made;
  void* previous = nullptr;
  const fy_diag_error* const error = fy_diag_errors_iterate(diag.get(), &previous);
  if (error == nullptr || error->msg == nullptr) return made.wrong("this is no YAML");
  return std::unexpected(
      Error(ErrorCode::kInvalidArgument,
            fmt::format("{}:{}:{}: {}", path, error->line, error->column, error->msg))
          .with_hint(std::move(made.hint_)));
}

}  // namespace backstay::yaml
