// Writes the seeds of the fuzz targets of the snapshot room: seed_snapshot FOLDER. They are
// committed; run it again when an encoding changes.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>

#include "base/assert.h"
#include "snapshot/page.h"
#include "snapshot/testing/sample_tree.h"
#include "snapshot/testing/samples.h"

namespace {

using namespace backstay;
namespace fs = std::filesystem;

void write_seed(const fs::path& folder, const std::string& name, ByteView bytes) {
  fs::create_directories(folder);
  std::ofstream file(folder / name, std::ios::binary);
  file << as_text(bytes);
  ASSERT(file.good());
}

void write_entries(const fs::path& folder) {
  SeededRng rng(1);
  for (int type = 1; type <= 7; ++type) {
    snapshot::Entry entry = snapshot::testing::sample_entry(rng);
    while (entry.type != static_cast<snapshot::EntryType>(type)) {
      entry = snapshot::testing::sample_entry(rng);
    }
    Bytes record;
    encode_entry(entry, record);
    write_seed(folder, std::string(to_string(entry.type)), record);
  }
}

Bytes content_seed(const snapshot::ContentRoot& root, ByteView list) {
  Bytes seed(1);
  encode_content(root, seed);
  seed[0] = static_cast<std::uint8_t>(seed.size() - 1);
  append(seed, list);
  return seed;
}

void write_contents(const fs::path& folder) {
  SeededRng rng(2);
  snapshot::ContentRoot extents;
  for (int i = 0; i < 5; ++i) extents.extents.push_back(snapshot::testing::sample_extent(rng));
  write_seed(folder, "extents", content_seed(extents, {}));
  Bytes list;
  encode_content(extents, list);
  snapshot::Extent item{.kind = snapshot::ExtentKind::kList,
                        .length = covered_bytes(extents).value(),
                        .id = snapshot::testing::sample_id(rng),
                        .list_length = static_cast<std::uint32_t>(list.size())};
  write_seed(folder, "list", content_seed({1, {item, item}}, list));
  write_seed(folder, "too_deep", content_seed({2, {item}}, list));
}

// A leaf and an inner page of few items: pages of the usual size are too long to be explored.
void write_pages(const fs::path& folder) {
  SeededRng rng(3);
  snapshot::testing::EntryMap entries;
  for (std::uint64_t i = 98; i < 103; ++i) {
    entries[snapshot::testing::numbered_key(i)] = snapshot::testing::plain_file(i, i);
  }
  snapshot::testing::MemoryChunks chunks;
  const snapshot::TreeRoot root = build_tree(chunks, entries);
  write_seed(folder, "leaf", chunks.read(root.page).value());
  write_seed(folder, "empty", Bytes{0, 0});
  snapshot::PageWriter writer(2);
  for (const char* key : {"", "home", "home-2", "usr"}) {
    Bytes body = to_owned(snapshot::testing::sample_id(rng).view());
    append_varint(body, 50'000);
    append_varint(body, 300);
    writer.add_item(key, body);
  }
  Bytes inner;
  writer.take(inner);
  write_seed(folder, "inner", inner);
}

void write_snapshots(const fs::path& folder) {
  SeededRng rng(4);
  for (int i = 0; i < 4; ++i) {
    Bytes record;
    encode_snapshot(snapshot::testing::sample_snapshot(rng), record);
    write_seed(folder, "sample-" + std::to_string(i), record);
  }
}

void write_filters(const fs::path& folder) {
  write_seed(folder, "globs", as_bytes("*.o\n/home/*/[a-c]?\\*\n!keep.o\nhome/u/b1*"));
  write_seed(folder, "folders", as_bytes("# caches\n/a/**/m/**/z\n\n a/b/ \na/x/m/y/z/q"));
  write_seed(folder, "utf8", as_bytes("[ä-ö]?\n[!]^-]\\ \nhome/åö"));
  write_seed(folder, "malformed", as_bytes("good\n[z-a\npath"));
}

}  // namespace

int main(int argc, char** argv) {
  ASSERT(argc == 2);
  const fs::path corpus(argv[1]);
  write_entries(corpus / "fuzz_entry");
  write_contents(corpus / "fuzz_content");
  write_pages(corpus / "fuzz_tree_page");
  write_snapshots(corpus / "fuzz_snapshot");
  write_filters(corpus / "fuzz_path_filter");
  return 0;
}
