#include "engine/export.h"

#include <fmt/format.h>

#include <map>
#include <memory>
#include <utility>

#include "archive/age_writer.h"
#include "base/try.h"
#include "engine/restore/limits.h"
#include "engine/restore/locate_chunk.h"
#include "engine/restore/ordered_stream.h"
#include "engine/restore/read_lease.h"
#include "engine/restore/selected_walk.h"
#include "snapshot/content.h"
#include "snapshot/tree_key.h"

namespace backstay::engine {
namespace {

using archive::ArchiveWriter;
using archive::Member;
using archive::MemberType;
using snapshot::Entry;
using snapshot::EntryType;

using Write = std::function<Result<void>(ByteView)>;

// Where the archive's bytes go, through encryption or not.
class Output {
 public:
  static Result<std::unique_ptr<Output>> open(const ExportOptions& options, Rng& rng,
                                              const Write& write) {
    auto output = std::make_unique<Output>(write);
    const bool of_its_own = options.format == archive::Format::kZip;
    if (!options.passphrase.empty() && !of_its_own) {
      output->sealed_ = TRY(archive::AgeWriter::open(
          as_bytes(options.passphrase), rng,
          [raw = output.get()](ByteView bytes) { return raw->pass_on(bytes); }));
    }
    output->archive_ = TRY(ArchiveWriter::open(
        options.format,
        [raw = output.get()](ByteView bytes) {
          return raw->sealed_ ? raw->sealed_->write(bytes) : raw->pass_on(bytes);
        },
        of_its_own ? as_bytes(options.passphrase) : ByteView()));
    return output;
  }
  explicit Output(const Write& write) : write_(write) {}

  [[nodiscard]] ArchiveWriter& archive() { return *archive_; }
  [[nodiscard]] std::uint64_t written() const { return written_; }
  Result<void> finish() {
    TRY(archive_->finish());
    if (sealed_) TRY(sealed_->finish());
    return {};
  }

 private:
  Result<void> pass_on(ByteView bytes) {
    written_ += bytes.size();
    return write_(bytes);
  }

  const Write& write_;
  std::uint64_t written_ = 0;
  std::unique_ptr<archive::AgeWriter> sealed_;
  std::unique_ptr<ArchiveWriter> archive_;  // last: it may write when it goes
};

// Sockets are in no archive.
std::optional<MemberType> member_type(EntryType type) {
  switch (type) {
    case EntryType::kFile:
      return MemberType::kFile;
    case EntryType::kDirectory:
      return MemberType::kFolder;
    case EntryType::kSymlink:
      return MemberType::kSymlink;
    case EntryType::kFifo:
      return MemberType::kFifo;
    case EntryType::kCharDevice:
      return MemberType::kCharDevice;
    case EntryType::kBlockDevice:
      return MemberType::kBlockDevice;
    case EntryType::kSocket:
      break;
  }
  return std::nullopt;
}

// The names of one file that an archive has once. Those are forgotten of which all names came.
class LinkedFiles {
 public:
  // The path of the first member with the same bytes; `path` becomes the one to link to where there
  // is none.
  std::optional<std::string> first_of(const Entry& entry, const std::string& path) {
    const auto [found, fresh] = known_.try_emplace({entry.device, entry.inode});
    Known& known = found->second;
    const bool same = !fresh && known.size == entry.size_bytes && known.content == entry.content;
    if (!same) {
      known = {.path = path,
               .size = entry.size_bytes,
               .content = entry.content,
               .names_left = entry.links - 1};
      return std::nullopt;
    }
    std::string first = known.path;
    if (--known.names_left == 0) known_.erase(found);
    return first;
  }

 private:
  struct Known {
    std::string path;
    std::uint64_t size = 0;
    snapshot::ContentRoot content;
    std::uint64_t names_left = 0;
  };
  std::map<std::pair<std::uint64_t, std::uint64_t>, Known> known_;
};

class Export {
 public:
  Export(repo::Repository& repository, const snapshot::Snapshot& snapshot,
         const ExportOptions& options, Activity& activity)
      : repository_(repository), snapshot_(snapshot), options_(options), activity_(activity) {
    selection_.subpath = options.subpath;
    selection_.includes = options.includes;
    selection_.excludes = options.excludes;
  }

  Result<ExportReport> run(Output& output) {
    restoring::SelectedWalk walk = TRY(restoring::SelectedWalk::open(
        repository_, snapshot_, selection_,
        [this](const std::string& path, const Error& error) { trouble(path, error); }));
    base_ = walk.base_key();
    const restoring::Limits limits =
        restoring::limits_over(repository_.store(), options_.threads, options_.memory_limit);
    const Write write = [&](ByteView bytes) { return output.archive().write(bytes); };
    restoring::OrderedStream stream(repository_, write, limits, activity_);
    while (auto item = TRY(walk.next())) {
      if (item->choice != restoring::Choice::kTake) continue;
      TRY(add(std::make_shared<const restoring::WalkItem>(*std::move(item)), output, stream));
    }
    TRY(stream.finish());
    TRY(output.finish());
    report_.bytes_written = output.written();
    return report_;
  }

 private:
  using Item = std::shared_ptr<const restoring::WalkItem>;

  Result<void> add(const Item& item, Output& output, restoring::OrderedStream& stream) {
    const Entry& entry = item->entry;
    const std::string path = snapshot::path_from_key(item->key);
    auto type = member_type(entry.type);
    if (!type || !archive::can_hold(options_.format, *type)) {
      ++report_.not_held;
      activity_.note(fmt::format("{} is a {}, which such an archive has no place for: left out",
                                 path, snapshot::to_string(entry.type)));
      return {};
    }
    const std::string name = name_of(item->key);
    std::optional<std::string> first;
    if (entry.type == EntryType::kFile) {
      if (!TRY(is_stored(path, entry))) return {};
      if (entry.links > 1 && archive::can_hold(options_.format, MemberType::kHardLink))
        first = links_.first_of(entry, name);
      if (first) type = MemberType::kHardLink;
      if (!first) report_.bytes_files += entry.size_bytes;
    }
    ++(entry.type == EntryType::kDirectory ? report_.dirs : report_.files);
    TRY(stream.then([this, item, name, path, type = *type, first, &output]() -> Result<void> {
      activity_.progress.set_current(path);
      ++activity_.progress.files_done;
      return output.archive().begin(member(*item, name, type, first));
    }));
    if (*type != MemberType::kFile) return {};
    TRY_DOING("reading " + path,
              snapshot::for_each_extent(entry.content, entry.size_bytes, repository_,
                                        [&](std::uint64_t, const snapshot::Extent& extent) {
                                          return stream.add(extent);
                                        }));
    return {};
  }

  // From the subpath on. Of a subpath that is a file, its name.
  [[nodiscard]] std::string name_of(const std::string& key) const {
    std::string_view rest = key;
    if (!base_.empty() && snapshot::is_within(key, base_) && key.size() > base_.size())
      rest.remove_prefix(base_.size() + 1);
    return snapshot::path_from_key(rest).substr(1);
  }

  static Member member(const restoring::WalkItem& item, const std::string& name, MemberType type,
                       const std::optional<std::string>& first) {
    const Entry& entry = item.entry;
    Member made{.path = name,
                .type = type,
                .mode = entry.mode,
                .uid = entry.uid,
                .gid = entry.gid,
                .modified = entry.modified,
                .accessed = entry.accessed,
                .size = entry.size_bytes,
                .target = first.value_or(entry.symlink_target),
                .major = static_cast<std::uint32_t>(entry.special_device >> 32),
                .minor = static_cast<std::uint32_t>(entry.special_device),
                .attributes = {}};
    for (const snapshot::ExtendedAttribute& one : entry.xattrs)
      made.attributes.emplace_back(one.name, one.value);
    return made;
  }

  // Better left out than begun and not ended.
  Result<bool> is_stored(const std::string& path, const Entry& entry) {
    const auto looked = snapshot::for_each_extent(
        entry.content, entry.size_bytes, repository_,
        [&](std::uint64_t, const snapshot::Extent& extent) -> Result<void> {
          if (extent.kind == snapshot::ExtentKind::kChunk)
            TRY(restoring::locate_chunk(repository_, extent));
          return {};
        });
    if (looked) return true;
    if (!repo::is_damage_or_loss(looked.error().code()))
      return std::unexpected(looked.error().clone());
    trouble(path, looked.error());
    return false;
  }

  void trouble(const std::string& path, const Error& error) {
    ++report_.errors;
    activity_.report(path, error);
  }

  repo::Repository& repository_;
  const snapshot::Snapshot& snapshot_;
  const ExportOptions& options_;
  Activity& activity_;
  RestoreOptions selection_;
  std::string base_;
  LinkedFiles links_;
  ExportReport report_;
};

}  // namespace

Result<ExportReport> export_to_archive(repo::Repository& repository,
                                       const snapshot::Snapshot& snapshot,
                                       const ExportOptions& options, Rng& rng, const Write& write,
                                       Activity& activity) {
  const restoring::LeasePtr lease = TRY(restoring::take_read_lease(repository, "export", activity));
  if (options.id && lease) TRY(restoring::require_snapshot(repository, *options.id));
  const bool whole =
      options.subpath.empty() && options.includes.empty() && options.excludes.empty();
  if (whole) activity.progress.bytes_total = snapshot.stats.bytes_total;
  const std::unique_ptr<Output> output = TRY(Output::open(options, rng, write));
  Export run(repository, snapshot, options, activity);
  return run.run(*output);
}

}  // namespace backstay::engine
