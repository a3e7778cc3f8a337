#include "backend/placement/map_file.h"

#include <fmt/format.h>
#include <libfyaml.h>

#include <algorithm>
#include <charconv>
#include <memory>

#include "base/try.h"
#include "io/file.h"

namespace backstay::backend::placement {
namespace {

constexpr std::string_view kHint = "docs/backends/placement.md has an example.";

struct DocumentDeleter {
  void operator()(fy_document* document) const { fy_document_destroy(document); }
};
using Document = std::unique_ptr<fy_document, DocumentDeleter>;

struct DiagDeleter {
  void operator()(fy_diag* diag) const { fy_diag_destroy(diag); }
};
using Diag = std::unique_ptr<fy_diag, DiagDeleter>;

class FileReader {
 public:
  explicit FileReader(std::string_view path) : path_(path) {}
  Result<MapFile> read(std::string_view text);

 private:
  [[nodiscard]] std::unexpected<Error> wrong(fy_node* at, std::string_view what) const;
  [[nodiscard]] std::unexpected<Error> unparsable(fy_diag* diag) const;
  Result<std::string_view> text_of(fy_node* node, std::string_view what) const;
  Result<std::uint32_t> number_of(fy_node* node, std::string_view what) const;
  Result<Redundancy> shards_of(fy_node* node) const;
  Result<FileStore> store_of(std::string_view name, fy_node* node) const;
  Result<void> read_stores(MapFile& file, fy_node* node) const;
  // Calls each(key, value, key's node) for what stands in a mapping.
  template <typename Each>
  Result<void> for_each_pair(fy_node* node, std::string_view what, const Each& each) const;

  std::string path_;
};

std::unexpected<Error> FileReader::wrong(fy_node* at, std::string_view what) const {
  fy_token* const token = at != nullptr ? fy_node_get_scalar_token(at) : nullptr;
  const fy_mark* mark = token != nullptr ? fy_token_start_mark(token) : nullptr;
  std::string where = path_;
  if (mark != nullptr) where += fmt::format(":{}:{}", mark->line + 1, mark->column + 1);
  return std::unexpected(Error(ErrorCode::kInvalidArgument, fmt::format("{}: {}", where, what))
                             .with_hint(std::string(kHint)));
}

std::unexpected<Error> FileReader::unparsable(fy_diag* diag) const {
  void* previous = nullptr;
  const fy_diag_error* const error = fy_diag_errors_iterate(diag, &previous);
  std::string what = fmt::format("{}: this is no YAML", path_);
  if (error != nullptr && error->msg != nullptr)
    what = fmt::format("{}:{}:{}: {}", path_, error->line, error->column, error->msg);
  return std::unexpected(
      Error(ErrorCode::kInvalidArgument, std::move(what)).with_hint(std::string(kHint)));
}

Result<std::string_view> FileReader::text_of(fy_node* node, std::string_view what) const {
  std::size_t length = 0;
  const char* text = nullptr;
  const bool plain = node != nullptr && fy_node_is_scalar(node) && !fy_node_is_alias(node);
  if (plain) text = fy_node_get_scalar(node, &length);
  if (text == nullptr || length == 0 || length > 4096)
    return wrong(node, fmt::format("{} must be a text", what));
  return std::string_view(text, length);
}

Result<std::uint32_t> FileReader::number_of(fy_node* node, std::string_view what) const {
  const std::string_view text = TRY(text_of(node, what));
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value > kWeightMax) {
    return wrong(
        node, fmt::format("{} must be a whole number up to {}, not '{}'", what, kWeightMax, text));
  }
  return value;
}

Result<Redundancy> FileReader::shards_of(fy_node* node) const {
  const std::string_view text = TRY(text_of(node, "shards"));
  const char* const end = text.data() + text.size();
  Redundancy r{.data = 0, .parity = 0};
  auto at = std::from_chars(text.data(), end, r.data);
  const bool plus = at.ec == std::errc{} && at.ptr != end && *at.ptr == '+';
  if (plus) at = std::from_chars(at.ptr + 1, end, r.parity);
  const bool good = plus && at.ec == std::errc{} && at.ptr == end && r.data >= 1 && r.data <= 255 &&
                    r.parity >= 1 && r.parity <= 255;
  if (good) return r;
  return wrong(node, fmt::format("shards are written like 4+2, not '{}'", text));
}

template <typename Each>
Result<void> FileReader::for_each_pair(fy_node* node, std::string_view what,
                                       const Each& each) const {
  if (node == nullptr || !fy_node_is_mapping(node))
    return wrong(node, fmt::format("{} must be a list of 'name: value'", what));
  void* iterator = nullptr;
  while (fy_node_pair* const pair = fy_node_mapping_iterate(node, &iterator)) {
    fy_node* const key_node = fy_node_pair_key(pair);
    const std::string_view key = TRY(text_of(key_node, "a key"));
    TRY(each(key, fy_node_pair_value(pair), key_node));
  }
  return {};
}

Result<FileStore> FileReader::store_of(std::string_view name, fy_node* node) const {
  FileStore store{.name = std::string(name), .url = {}, .domain = {}};
  TRY(for_each_pair(node, fmt::format("the store {}", name),
                    [&](std::string_view key, fy_node* value, fy_node* at) -> Result<void> {
                      if (key == "url")
                        store.url = TRY(text_of(value, "url"));
                      else if (key == "weight")
                        store.weight = TRY(number_of(value, "weight"));
                      else if (key == "domain")
                        store.domain = TRY(text_of(value, "domain"));
                      else
                        return wrong(at, fmt::format("a store has no '{}'", key));
                      if (key == "domain" && !is_store_name(store.domain))
                        return wrong(value, "a domain is made of a-z, 0-9 and '-'");
                      return {};
                    }));
  return store;
}

Result<void> FileReader::read_stores(MapFile& file, fy_node* node) const {
  return for_each_pair(node, "stores",
                       [&](std::string_view name, fy_node* value, fy_node* at) -> Result<void> {
                         if (!is_store_name(name))
                           return wrong(at, "a store's name is made of a-z, 0-9 and '-'");
                         FileStore store = TRY(store_of(name, value));
                         if (store.url.empty())
                           return wrong(at, fmt::format("the store {} has no url", name));
                         if (store.url.starts_with("placement:"))
                           return wrong(at, "a store of a placement cannot be a placement");
                         file.stores.push_back(std::move(store));
                         return {};
                       });
}

Result<MapFile> FileReader::read(std::string_view text) {
  // With some directives and bytes that are no text the library (version 0.7) does not come to an
  // end; a file of stores needs no more than these.
  constexpr std::string_view kMarks = " \t\r\n_./:@+~#,{}[]\"'-()=";
  const bool plain = std::ranges::all_of(text, [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           kMarks.contains(c);
  });
  if (!plain) {
    return std::unexpected(
        Error(ErrorCode::kInvalidArgument,
              "the placement file has other signs than ASCII letters, digits and _./:@+~#,()=-")
            .with_hint("Use names of folders, and comments, without them."));
  }
  const Diag diag(fy_diag_create(nullptr));
  if (diag == nullptr) return fail(ErrorCode::kInternal, "no memory to read YAML with");
  fy_diag_set_collect_errors(diag.get(), true);
  const fy_parse_cfg options{
      .search_path = nullptr,
      .flags = static_cast<fy_parse_cfg_flags>(FYPCF_QUIET | FYPCF_COLLECT_DIAG),
      .userdata = nullptr,
      .diag = diag.get()};
  const Document document(fy_document_build_from_string(&options, text.data(), text.size()));
  if (document == nullptr) return unparsable(diag.get());
  MapFile file;
  bool copies = false;
  bool shards = false;
  TRY(for_each_pair(fy_document_root(document.get()), "the file",
                    [&](std::string_view key, fy_node* value, fy_node* at) -> Result<void> {
                      if (key == "copies") {
                        copies = true;
                        const std::uint32_t count = TRY(number_of(value, "copies"));
                        if (count < 1 || count > kShardsMax)
                          return wrong(value, fmt::format("copies are 1 to {}", kShardsMax));
                        file.redundancy = {.data = 1, .parity = count - 1};
                      } else if (key == "shards") {
                        shards = true;
                        file.redundancy = TRY(shards_of(value));
                      } else if (key == "quorum") {
                        file.quorum = TRY(number_of(value, "quorum"));
                      } else if (key == "stores") {
                        TRY(read_stores(file, value));
                      } else {
                        return wrong(at, fmt::format("there is no setting '{}'", key));
                      }
                      return {};
                    }));
  if (copies == shards) return wrong(nullptr, "say either copies or shards");
  if (file.stores.empty()) return wrong(nullptr, "there are no stores");
  std::ranges::sort(file.stores, {}, &FileStore::name);
  return file;
}

}  // namespace

const FileStore* MapFile::find(std::string_view name) const {
  const auto found = std::ranges::find(stores, name, &FileStore::name);
  return found == stores.end() ? nullptr : &*found;
}

Result<MapFile> parse_map_file(std::string_view text, std::string_view path) {
  return FileReader(path).read(text);
}

Result<MapFile> read_map_file(const std::string& path) {
  const Bytes text = TRY_DOING("reading the placement file", io::read_file(path, kMapFileBytesMax));
  MapFile file = TRY(parse_map_file(as_text(text), path));
  const std::size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "" : path.substr(0, slash + 1);
  for (FileStore& store : file.stores) {
    const std::size_t end = store.url.find_first_of(":/");
    const bool has_scheme = end != std::string::npos && store.url[end] == ':';
    if (!has_scheme && store.url.front() != '/') store.url = folder + store.url;
  }
  return file;
}

}  // namespace backstay::backend::placement
