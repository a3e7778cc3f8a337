// Where a restore writes: entries below one folder, never outside it.
//
// Every step goes through folder descriptors opened with O_NOFOLLOW, one component at a time, so
// that no symbolic link in the target or in the snapshot, no "..", and no hard link can lead out of
// the target, and paths longer than PATH_MAX work. Attributes that this user or file system cannot
// set are counted, not fatal.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "io/file.h"
#include "snapshot/entry.h"

namespace backstay::source {

// A folder of the target. Cheap to hold: the descriptor is opened when needed and closed when too
// many are open. Thread-safe.
class TargetFolder;
using TargetFolderPtr = std::shared_ptr<TargetFolder>;

enum class Ownership : std::uint8_t { kRestore, kSkip };

struct AttributeReport {
  // Which attributes could not be set on this entry: "owner", "xattr security.capability", "flags",
  // ...
  std::vector<std::string> not_set;
};

// What is there now under a name.
struct ExistingEntry {
  snapshot::Entry entry;  // without content
  std::uint64_t device = 0;
};

// Where a folder of the target is.
struct FolderPlace {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  bool is_mount_root = false;
};

class TargetTree {
 public:
  struct Options {
    Ownership ownership = Ownership::kRestore;
    // Numbers for names on this machine: a file of user "db" goes to this machine's "db" when names
    // are given.
    std::function<std::uint32_t(std::uint32_t uid)> map_uid;
    std::function<std::uint32_t(std::uint32_t gid)> map_gid;
    std::size_t open_folders_max = 256;
  };
  // Opens `path`, which must be a folder; makes it (0700) with its parents when missing.
  static Result<std::unique_ptr<TargetTree>> open(const std::string& path, Options options);
  virtual ~TargetTree() = default;

  [[nodiscard]] virtual TargetFolderPtr root() = 0;

  // What stands under `name` in `folder`, or nothing. Never follows a link.
  virtual Result<std::optional<ExistingEntry>> look(const TargetFolderPtr& folder,
                                                    const std::string& name) = 0;
  // True when set_attributes would have nothing to do.
  [[nodiscard]] virtual bool has_attributes(const ExistingEntry& existing,
                                            const snapshot::Entry& entry) const = 0;
  // Names in a folder, for --delete.
  virtual Result<std::vector<std::string>> names(const TargetFolderPtr& folder) = 0;

  virtual Result<FolderPlace> place_of(const TargetFolderPtr& folder) = 0;
  // True for a symbolic link that leads to a folder, wherever that is. It is not entered.
  virtual Result<bool> leads_to_folder(const TargetFolderPtr& folder, const std::string& name) = 0;

  // The folder called `name`, left exactly as it is; null when there is none. For those who only
  // look.
  virtual Result<TargetFolderPtr> find_folder(const TargetFolderPtr& folder,
                                              const std::string& name) = 0;
  // A folder called `name`: the one that is there, or a new one with mode 0700 until
  // set_attributes. Anything else under that name is removed first.
  virtual Result<TargetFolderPtr> make_folder(const TargetFolderPtr& folder,
                                              const std::string& name) = 0;

  // A regular file for writing. With `keep` the existing file's bytes stay and its size is set;
  // otherwise the file is new (whatever stood there is removed first; an existing hard link is
  // never written through).
  enum class Existing : std::uint8_t { kReplace, kKeepBytes };
  virtual Result<io::Fd> open_for_write(const TargetFolderPtr& folder, const std::string& name,
                                        std::uint64_t size_bytes, Existing existing) = 0;
  // A regular file without a name, for a name that is free: nobody sees it before name_unnamed, and
  // a restore that dies leaves nothing of it. `mode` as far as the umask lets it. unsupported where
  // there is no such thing.
  virtual Result<io::Fd> open_unnamed(const TargetFolderPtr& folder, std::uint32_t mode) = 0;
  // Failures, above all already_exists, leave what is there as it is; the file may be written again
  // with open_for_write then.
  virtual Result<void> name_unnamed(const TargetFolderPtr& folder, const std::string& name,
                                    int fd) = 0;
  virtual Result<io::Fd> open_for_read(const TargetFolderPtr& folder, const std::string& name) = 0;

  // Symbolic link, FIFO, socket or device node, replacing what is there.
  virtual Result<void> make_special(const TargetFolderPtr& folder, const std::string& name,
                                    const snapshot::Entry& entry) = 0;
  // A hard link to a file restored before. Best made after that file's attributes are set: a name
  // whose inode has hard links that this target did not make is given an inode of its own by
  // set_attributes, which would tear a group apart and is refused (conflict) once links are made.
  virtual Result<void> make_hard_link(const TargetFolderPtr& from_folder,
                                      const std::string& from_name, const TargetFolderPtr& folder,
                                      const std::string& name) = 0;

  // Owner, mode, extended attributes, project id, times, inode flags: in the order that keeps each
  // other intact. For folders: after everything inside. `fd` may be given for an open regular file,
  // from open_for_write. An existing folder that its owner may not write in was opened by
  // make_folder, so a folder that was passed through needs this call even where `look` saw the
  // right attributes before.
  virtual Result<AttributeReport> set_attributes(const TargetFolderPtr& folder,
                                                 const std::string& name,
                                                 const snapshot::Entry& entry, int fd = -1) = 0;
  // The target folder itself, for SNAP:SUBPATH restores.
  virtual Result<AttributeReport> set_root_attributes(const snapshot::Entry& entry) = 0;

  // Gives the file `from`, made before in this folder, the name `to` in one step. A non-folder that
  // stands there is replaced; a folder there is a conflict. restore writes new files under another
  // name and calls this when they are whole.
  virtual Result<void> rename(const TargetFolderPtr& folder, const std::string& from,
                              const std::string& to) = 0;

  // The same, but already_exists when the name is taken, whatever it is; unsupported where the file
  // system cannot do that in one step.
  virtual Result<void> rename_if_free(const TargetFolderPtr& folder, const std::string& from,
                                      const std::string& to) = 0;

  // Removes a folder that has nothing in it; conflict when it has.
  virtual Result<void> remove_empty_folder(const TargetFolderPtr& folder,
                                           const std::string& name) = 0;
  // Removes whatever stands under `name`, a folder with all it holds, without following links.
  virtual Result<void> remove(const TargetFolderPtr& folder, const std::string& name) = 0;
};

}  // namespace backstay::source
