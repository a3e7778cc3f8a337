#include "snapshot/testing/samples.h"

#include <algorithm>

namespace backstay::snapshot::testing {

namespace {

// Small numbers, large numbers and the ends of the range, each often.
std::uint64_t sample_number(Rng& rng) {
  switch (rng.below(4)) {
    case 0:
      return rng.below(3);
    case 1:
      return ~std::uint64_t{0} - rng.below(2);
    default:
      return rng.next_u64() >> rng.below(64);
  }
}

std::uint32_t sample_u32(Rng& rng) {
  return static_cast<std::uint32_t>(sample_number(rng));
}

bool chance(Rng& rng, std::uint64_t one_in) {
  return rng.below(one_in) == 0;
}

Timestamp sample_time(Rng& rng) {
  return {static_cast<std::int64_t>(sample_number(rng)),
          static_cast<std::uint32_t>(rng.below(1'000'000'000))};
}

Bytes sample_bytes(Rng& rng, std::size_t length_max) {
  Bytes bytes(rng.below(length_max + 1));
  rng.fill(bytes);
  return bytes;
}

std::vector<std::string> sample_sorted(Rng& rng, std::string_view prefix) {
  std::vector<std::string> list;
  for (std::uint64_t count = rng.below(4); count > 0; --count) {
    list.push_back(std::string(prefix) + sample_name(rng, 20) + "x");
  }
  std::ranges::sort(list);
  list.erase(std::ranges::unique(list).begin(), list.end());
  return list;
}

void fill_content(Rng& rng, Entry& entry) {
  entry.content.level = chance(rng, 5) ? static_cast<std::uint8_t>(1 + rng.below(8)) : 0;
  for (std::uint64_t count = rng.below(5); count > 0; --count) {
    Extent extent = sample_extent(rng);
    if (entry.content.level > 0) {
      extent.kind = ExtentKind::kList;
      extent.id = sample_id(rng);
      extent.list_length = static_cast<std::uint32_t>(1 + rng.below(kChunkLengthMax));
    }
    entry.content.extents.push_back(extent);
    entry.size_bytes += extent.length;
  }
  if (entry.content.extents.empty()) entry.content.level = 0;
}

void fill_by_type(Rng& rng, Entry& entry) {
  switch (entry.type) {
    case EntryType::kFile:
      fill_content(rng, entry);
      break;
    case EntryType::kSymlink:
      entry.symlink_target = "../" + sample_name(rng, 300);
      break;
    case EntryType::kCharDevice:
    case EntryType::kBlockDevice:
      entry.special_device = sample_number(rng);
      break;
    default:
      break;
  }
}

}  // namespace

chunk::ChunkId sample_id(Rng& rng) {
  chunk::ChunkId id;
  rng.fill(id.bytes);
  return id;
}

crypto::Secret sample_key(std::uint8_t fill) {
  crypto::Secret key;
  std::ranges::fill(key.mutable_view(), fill);
  return key;
}

std::string sample_name(Rng& rng, std::size_t length_max) {
  std::string name(as_text(sample_bytes(rng, length_max)));
  std::ranges::replace(name, '\0', 'a');
  std::ranges::replace(name, '/', 'b');
  return name;
}

Extent sample_extent(Rng& rng) {
  Extent extent;
  extent.kind = static_cast<ExtentKind>(rng.below(3));
  if (extent.kind == ExtentKind::kChunk) {
    extent.id = sample_id(rng);
    extent.length = 1 + rng.below(kChunkLengthMax);
  } else {
    extent.length = 1 + (rng.next_u64() >> (8 + rng.below(56)));
  }
  return extent;
}

Entry sample_entry(Rng& rng) {
  Entry entry;
  entry.type = static_cast<EntryType>(1 + rng.below(7));
  entry.mode = static_cast<std::uint32_t>(rng.below(010000));
  entry.uid = sample_u32(rng);
  entry.gid = sample_u32(rng);
  entry.modified = sample_time(rng);
  entry.changed = sample_time(rng);
  if (chance(rng, 2)) entry.accessed = sample_time(rng);
  if (chance(rng, 2)) entry.born = sample_time(rng);
  entry.inode = sample_number(rng);
  entry.device = sample_number(rng);
  if (entry.type != EntryType::kDirectory && chance(rng, 3)) entry.links = sample_number(rng);
  if (chance(rng, 3)) entry.inode_flags = sample_u32(rng);
  if (chance(rng, 3)) entry.project_id = sample_u32(rng);
  entry.changed_while_read = chance(rng, 5);
  if (chance(rng, 3)) {
    for (const std::string& name : sample_sorted(rng, "user.")) {
      entry.xattrs.push_back({name, sample_bytes(rng, 100)});
    }
  }
  fill_by_type(rng, entry);
  if (entry.type == EntryType::kDirectory && chance(rng, 3))
    entry.left_out = static_cast<LeftOut>(1 + rng.below(255));
  return entry;
}

Entry plain_file(std::uint64_t size_bytes, std::uint64_t number) {
  Entry entry;
  entry.mode = 0644;
  entry.uid = 1000;
  entry.gid = 1000;
  entry.modified = {1'750'000'000 + static_cast<std::int64_t>(number % 1000), 123'456'789};
  entry.changed = entry.modified;
  entry.size_bytes = size_bytes;
  entry.inode = 1'000'000 + number;
  entry.device = 2049;
  if (size_bytes > 0) {
    SeededRng rng(number);
    entry.content.extents.push_back(
        {.kind = ExtentKind::kChunk, .length = size_bytes, .id = sample_id(rng)});
  }
  return entry;
}

Entry plain_folder() {
  Entry entry;
  entry.type = EntryType::kDirectory;
  entry.mode = 0755;
  return entry;
}

Snapshot sample_snapshot(Rng& rng) {
  Snapshot snapshot;
  snapshot.started = sample_time(rng);
  snapshot.finished = sample_time(rng);
  snapshot.host = sample_name(rng, 20);
  snapshot.user = sample_name(rng, 20);
  snapshot.paths = sample_sorted(rng, "/srv/");
  snapshot.tags = sample_sorted(rng, "");
  snapshot.description = sample_name(rng, 100);
  snapshot.type = static_cast<BackupType>(1 + rng.below(3));
  if (chance(rng, 2)) {
    snapshot.parent.emplace();
    rng.fill(snapshot.parent->bytes);
  }
  snapshot.status = static_cast<Status>(1 + rng.below(2));
  snapshot.tree = {.page = {sample_id(rng), static_cast<std::uint32_t>(1 + rng.below(1 << 24))},
                   .level = static_cast<std::uint8_t>(rng.below(kTreeLevelMax + 1U)),
                   .entries = sample_number(rng)};
  snapshot.stats.files_new = sample_number(rng);
  snapshot.stats.bytes_stored = sample_number(rng);
  snapshot.stats.errors = sample_number(rng);
  snapshot.excludes = sample_sorted(rng, "*.");
  snapshot.program = "backstay 0.1.0";
  for (std::uint64_t i = rng.below(3); i > 0; --i) {
    snapshot.errors.push_back({"/" + sample_name(rng, 50), "permission denied"});
  }
  for (std::uint64_t i = rng.below(4); i > 0; --i) {
    snapshot.user_names[sample_u32(rng)] = sample_name(rng, 10);
    snapshot.group_names[sample_u32(rng)] = sample_name(rng, 10);
  }
  if (chance(rng, 2)) snapshot.larger_left_out = 1 + rng.below(1 << 20);
  snapshot.places_left_out = sample_sorted(rng, "/var/");
  if (rng.below(2) == 0) rng.fill(snapshot.lease.emplace().bytes);
  if (rng.below(2) == 0) snapshot.origin = "backstay:" + sample_name(rng, 40);
  snapshot.by_write_only_key = chance(rng, 3);
  return snapshot;
}

}  // namespace backstay::snapshot::testing
