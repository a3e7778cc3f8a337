#include "backend/placement/map_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/try.h"
#include "io/file.h"
#include "yaml/document.h"

namespace backstay::backend::placement {
namespace {

constexpr const char* kHint = "docs/backends/placement.md has an example.";

Result<Redundancy> shards_of(const yaml::Node& node) {
  const std::string_view text = TRY(node.text("shards"));
  const char* const end = text.data() + text.size();
  Redundancy r{.data = 0, .parity = 0};
  auto at = std::from_chars(text.data(), end, r.data);
  const bool plus = at.ec == std::errc{} && at.ptr != end && *at.ptr == '+';
  if (plus) at = std::from_chars(at.ptr + 1, end, r.parity);
  const bool good = plus && at.ec == std::errc{} && at.ptr == end && r.data >= 1 && r.data <= 255 &&
                    r.parity >= 1 && r.parity <= 255;
  if (good) return r;
  return node.wrong(fmt::format("shards are written like 4+2, not '{}'", text));
}

Result<FileStore> store_of(std::string_view name, const yaml::Node& node) {
  FileStore store{.name = std::string(name), .url = {}, .domain = {}};
  TRY(node.for_each_pair(fmt::format("the store {}", name),
                         [&](const yaml::Pair& pair) -> Result<void> {
                           if (pair.key == "url")
                             store.url = TRY(pair.value.text("url"));
                           else if (pair.key == "weight")
                             store.weight = TRY(pair.value.number("weight", kWeightMax));
                           else if (pair.key == "domain")
                             store.domain = TRY(pair.value.text("domain"));
                           else
                             return pair.unknown("a store", {"url", "weight", "domain"});
                           if (pair.key == "domain" && !is_store_name(store.domain))
                             return pair.value.wrong("a domain is made of a-z, 0-9 and '-'");
                           return {};
                         }));
  return store;
}

Result<void> read_stores(MapFile& file, const yaml::Node& node) {
  return node.for_each_pair("stores", [&](const yaml::Pair& pair) -> Result<void> {
    if (!is_store_name(pair.key))
      return pair.key_node.wrong("a store's name is made of a-z, 0-9 and '-'");
    FileStore store = TRY(store_of(pair.key, pair.value));
    if (store.url.empty())
      return pair.key_node.wrong(fmt::format("the store {} has no url", pair.key));
    if (store.url.starts_with("placement:"))
      return pair.key_node.wrong("a store of a placement cannot be a placement");
    file.stores.push_back(std::move(store));
    return {};
  });
}

Result<Redundancy> copies_of(const yaml::Node& node) {
  const std::uint32_t count = TRY(node.number("copies", kWeightMax));
  if (count < 1 || count > kShardsMax)
    return node.wrong(fmt::format("copies are 1 to {}", kShardsMax));
  return Redundancy{.data = 1, .parity = count - 1};
}

}  // namespace

const FileStore* MapFile::find(std::string_view name) const {
  const auto found = std::ranges::find(stores, name, &FileStore::name);
  return found == stores.end() ? nullptr : &*found;
}

Result<MapFile> parse_map_file(std::string_view text, std::string_view path) {
  const yaml::Document document = TRY(yaml::Document::parse(text, path, kHint));
  MapFile file;
  bool copies = false;
  bool shards = false;
  TRY(document.root().for_each_pair("the file", [&](const yaml::Pair& pair) -> Result<void> {
    if (pair.key == "copies") {
      copies = true;
      file.redundancy = TRY(copies_of(pair.value));
    } else if (pair.key == "shards") {
      shards = true;
      file.redundancy = TRY(shards_of(pair.value));
    } else if (pair.key == "quorum") {
      file.quorum = TRY(pair.value.number("quorum", kWeightMax));
    } else if (pair.key == "stores") {
      TRY(read_stores(file, pair.value));
    } else {
      return pair.unknown("the file", {"copies", "shards", "quorum", "stores"});
    }
    return {};
  }));
  if (copies == shards) return document.wrong("say either copies or shards");
  if (file.stores.empty()) return document.wrong("there are no stores");
  std::ranges::sort(file.stores, {}, &FileStore::name);
  return file;
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
