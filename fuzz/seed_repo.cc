// Writes the seeds of the fuzz targets of the room repo: seed_repo FOLDER. They are committed; run
// it again when an encoding changes.
#include <filesystem>
#include <fstream>
#include <string>

#include "base/assert.h"
#include "compress/zstd_codec.h"
#include "repo/config.h"
#include "repo/generation.h"
#include "repo/index_object.h"
#include "repo/index_run.h"
#include "repo/key_epoch.h"
#include "repo/key_slot.h"
#include "repo/lease.h"
#include "repo/pack.h"
#include "repo/snapshot_note.h"

namespace {

using namespace backstay;
namespace fs = std::filesystem;

void write_seed(const fs::path& folder, const std::string& name, ByteView bytes) {
  fs::create_directories(folder);
  std::ofstream file(folder / name, std::ios::binary);
  file << as_text(bytes);
  ASSERT(file.good());
}

// The decoder's number and the object without its checksum.
Bytes plain_seed(std::uint8_t decoder, ByteView object) {
  Bytes seed{decoder};
  append(seed, object.first(object.size() - 32));
  return seed;
}

void write_plain_objects(const fs::path& folder, Rng& rng) {
  repo::Config config;
  config.program = "backstay";
  config.optional_features = {"parity"};
  write_seed(folder, "config", plain_seed(0, repo::encode_config(config)));
  const repo::SlotInfo slot{.kind = repo::SlotKind::kPassphrase,
                            .created = {1, 2},
                            .label = "a",
                            .host = "b",
                            .user = "c",
                            .argon2 = {.memory_kib = 64, .passes = 1}};
  const auto sealed = repo::seal_slot(repo::Keyring::random(rng), slot,
                                      {.passphrase = "x", .recovery_key = {}}, config.id, rng);
  write_seed(folder, "key_slot", plain_seed(1, *sealed));
  const repo::LeaseRecord lease{.id = {},
                                .sequence = 3,
                                .operation = "backup",
                                .generation = 1,
                                .host = "h",
                                .user = "u",
                                .process = 9,
                                .started = {-5, 1},
                                .renew_seconds = 300};
  write_seed(folder, "lease", plain_seed(2, repo::encode_lease(lease, config.id)));
  const repo::Generation generation{.number = 2,
                                    .condemned = {repo::ObjectId{}},
                                    .time = {7, 8},
                                    .ended_leases = {},
                                    .kept_snapshots = {}};
  const repo::EpochStart epoch{
      .number = 2, .time = {7, 8}, .entries = {{.slot = {}, .box = Bytes(80, 1)}}};
  Bytes epoch_seed{4};
  repo::encode_epoch_body(epoch, epoch_seed);
  write_seed(folder, "key_epoch", epoch_seed);
  Bytes generation_seed{3};
  repo::encode_generation_body(generation, generation_seed);
  write_seed(folder, "generation", generation_seed);
}

// The decoder's number and a record.
void write_notes(const fs::path& folder) {
  const repo::NoteName name{.snapshot = {}, .number = 3, .bytes = {}};
  const repo::NoteAuthor author{.time = {-5, 1}, .host = "h", .user = "u"};
  Bytes hold{0};
  repo::encode_hold({.until = Timestamp{7, 8}, .reason = "audit", .author = author}, name, hold);
  write_seed(folder, "hold", hold);
  Bytes change{1};
  repo::encode_tag_change(
      {.replaces = true, .removed = {"a"}, .added = {"b", "c"}, .author = author}, name, change);
  write_seed(folder, "tag_change", change);
}

repo::PackDirectory sample_directory(std::uint32_t sealed, std::uint32_t raw,
                                     compress::Codec codec) {
  repo::PackDirectory directory;
  directory.frames.push_back({.sealed_length = sealed,
                              .raw_length = raw,
                              .codec = codec,
                              .chunks = {{.id = {}, .length = raw - 1}, {.id = {}, .length = 1}}});
  directory.padding = 3;
  return directory;
}

void write_packs(const fs::path& folder) {
  Bytes directory;
  repo::encode_directory(sample_directory(200, 500, compress::Codec::kZstd), directory);
  write_seed(folder / "fuzz_pack_directory", "one_frame", directory);
  Bytes stored;
  repo::encode_directory(sample_directory(40, 24, compress::Codec::kStored), stored);
  stored.resize(96);
  Bytes pack{6};
  append(pack, stored);
  pack.resize(pack.size() + 40);
  write_seed(folder / "fuzz_pack", "stored_frame", pack);
  const Bytes raw(3000, 'a');
  Bytes frame{0xb8, 0x0b, 0, 0, 1};
  ASSERT(compress::ZstdCodec().compress(raw, 1, frame).has_value());
  write_seed(folder / "fuzz_frame", "zstd", frame);
  write_seed(folder / "fuzz_frame", "stored", Bytes{3, 0, 0, 0, 0, 'a', 'b', 'c'});
}

void write_run(const fs::path& folder, Rng& rng) {
  const repo::Keyring keyring = repo::Keyring::random(rng);
  repo::Config config;
  config.suite = crypto::Suite::kPlain;
  repo::IndexRunWriter::Head head;
  head.entries = 3;
  head.supersedes = {repo::ObjectId{}};
  head.packs = {repo::PackEntries{}};
  auto writer = repo::IndexRunWriter::create(keyring, config, rng, head).value();
  for (std::uint8_t i = 0; i < 3; ++i) {
    repo::IndexRun::Entry entry;
    entry.id.fill(static_cast<std::uint8_t>(i * 80));
    entry.frame_offset = 64;
    entry.sealed_length = 100;
    entry.raw_length = 1000;
    entry.offset_in_frame = i;
    ASSERT(writer->add(entry).has_value());
  }
  const Bytes object = writer->finish().value().object.all().value();
  write_seed(folder, "three_entries", repo::open_index_object(object, keyring, config.id).value());
}

}  // namespace

int main(int argc, char** argv) {
  ASSERT(argc == 2);
  const fs::path folder = argv[1];
  SeededRng rng(1);
  write_plain_objects(folder / "fuzz_plain_objects", rng);
  write_notes(folder / "fuzz_snapshot_note");
  Bytes ring;
  repo::encode_keyring(repo::Keyring::random(rng), ring);
  write_seed(folder / "fuzz_keyring", "one_epoch", ring);
  ring.clear();
  repo::encode_keyring(repo::Keyring::random(rng).write_only(), ring);
  write_seed(folder / "fuzz_keyring", "write_only", ring);
  write_packs(folder);
  write_run(folder / "fuzz_index_run", rng);
}
