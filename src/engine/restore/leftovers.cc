#include "engine/restore/leftovers.h"

#include <fmt/format.h>

#include <utility>

#include "base/try.h"
#include "io/attributes.h"

namespace backstay::engine::restoring {
namespace {

using Fate = Leftover::Fate;

// What was changed half-way is older than everything, so that no overwrite rule trusts it; not a
// whole second, which somebody may have set on a file.
constexpr Timestamp kTrustedByNoRule{-1, 123'456'789};

Leftover staying(std::string why) {
  return {.fate = Fate::kStays, .original = {}, .why = std::move(why), .file = {}};
}

bool is_file_of_one_name(const Result<std::optional<source::ExistingEntry>>& existing) {
  return existing && *existing && (*existing)->entry.type == snapshot::EntryType::kFile &&
         (*existing)->entry.links == 1;
}

Leftover fate_of_moved(const Site& site, const source::TargetFolderPtr& folder,
                       const std::string& original, io::Fd file) {
  if (original.empty())
    return staying("a killed restore was changing this file, whose name was too long to be kept");
  const std::string what = fmt::format("a killed restore was changing this file, '{}'", original);
  if (site.options.overwrite == Overwrite::kNever)
    return staying(what + "; rename it yourself, or restore with another --overwrite");
  const auto present = site.target->look(folder, original);
  if (!present) return staying(what + "; its place cannot be looked at");
  if (*present) return staying(what + "; another file has that name now: remove the one of no use");
  return {.fate = Fate::kReturns, .original = original, .why = {}, .file = std::move(file)};
}

Result<void> put_back(const Site& site, const source::TargetFolderPtr& folder,
                      const std::string& name, const Leftover& leftover) {
  TRY(io::set_times({leftover.file.get()}, std::nullopt, kTrustedByNoRule));
  return site.target->rename_if_free(folder, name, leftover.original);
}

}  // namespace

std::optional<Leftover> find_leftover(const Site& site, const source::TargetFolderPtr& folder,
                                      const std::string& name) {
  std::optional<TemporaryName> parsed = parse_temporary_name(name);
  if (!parsed || site.names.is_own(*parsed)) return std::nullopt;
  if (!is_file_of_one_name(site.target->look(folder, name))) return std::nullopt;
  Result<io::Fd> file = site.target->open_for_read(folder, name);
  if (!file) return staying("it looks like what a restore left, but cannot be opened");
  const Result<bool> locked = io::try_lock(file->get(), io::FileLock::kShared);
  if (!locked) return staying("this file system does not tell whether a restore is writing it");
  if (!*locked) return staying("another restore is writing it");
  if (parsed->kind == TemporaryName::Kind::kMovedAside)
    return fate_of_moved(site, folder, parsed->original, std::move(*file));
  return Leftover{.fate = Fate::kGoes, .original = {}, .why = {}, .file = std::move(*file)};
}

void clear_leftovers(const Site& site, const FolderNode& folder) {
  const auto names = site.target->names(folder.folder());
  if (!names) return;  // who may not list it could not have left anything
  for (const std::string& name : *names) {
    const std::optional<Leftover> leftover = find_leftover(site, folder.folder(), name);
    if (!leftover) continue;
    const std::string path = folder.path_of(name);
    if (leftover->fate == Fate::kStays) {
      site.outcome.note(fmt::format("{} is left alone: {}", path, leftover->why));
    } else if (leftover->fate == Fate::kGoes) {
      static_cast<void>(site.target->remove(folder.folder(), name));
    } else if (const Result<void> done = put_back(site, folder.folder(), name, *leftover); done) {
      site.outcome.note(
          fmt::format("{} has its name back, after a killed restore was changing it: it may hold "
                      "bytes of both states until it is restored",
                      folder.path_of(leftover->original)));
    } else {
      site.outcome.trouble(path, done.error().clone().with_context(
                                     "giving it its name back after a killed restore"));
    }
  }
}

bool hold_as_written(int fd) {
  const Result<bool> locked = io::try_lock(fd, io::FileLock::kExclusive);
  if (!locked) return true;
  const Result<io::FileStatus> status = io::full_status_of(fd);
  return *locked && (!status || status->links > 0);
}

}  // namespace backstay::engine::restoring
