// The order matters, because the kernel lets attributes change one another:
//
//   1. immutable and append-only go, or nothing else could be changed;
//   2. the owner: chown clears set-id bits and file capabilities;
//   3. extended attributes, while the owner may still write: an access ACL sets the group bits of
//   the mode;
//   4. the mode, which sets the mask of an access ACL in turn, so that in the end both are the
//   entry's;
//   5. the project id, then the times: nothing later changes the modification time;
//   6. inode flags, immutable last of all.
#include "source/target_attributes.h"

#include <algorithm>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/try.h"
#include "io/attributes.h"

namespace backstay::source {
namespace {

using snapshot::Entry;
using snapshot::EntryType;
using snapshot::ExtendedAttribute;

constexpr std::uint32_t kSetUserId = 04000;
constexpr std::uint32_t kSetGroupId = 02000;
constexpr std::uint32_t kOwnerMayWrite = 0200;

// What the kernel says to a user, or about a file system, that cannot keep a value.
bool can_be_counted(ErrorCode code) {
  return code == ErrorCode::kPermissionDenied || code == ErrorCode::kUnsupported ||
         code == ErrorCode::kInvalidArgument || code == ErrorCode::kNoSpace;
}

// The rest (security.selinux, security.ima, system.nfs4_acl, btrfs.compression ...) belongs to the
// kernel and comes and goes by its own rules.
bool is_ours_to_remove(std::string_view name) {
  return name.starts_with("user.") || name.starts_with("trusted.") ||
         name == "security.capability" || name == "system.posix_acl_access" ||
         name == "system.posix_acl_default";
}

std::uint32_t wanted_uid(const Entry& entry, const TargetTree::Options& options) {
  return options.map_uid ? options.map_uid(entry.uid) : entry.uid;
}
std::uint32_t wanted_gid(const Entry& entry, const TargetTree::Options& options) {
  return options.map_gid ? options.map_gid(entry.gid) : entry.gid;
}

class AttributeSetter {
 public:
  AttributeSetter(io::NodeRef node, const io::FileStatus& now, const Entry& entry,
                  const TargetTree::Options& options)
      : node_(node), now_(now), entry_(entry), options_(options) {}

  Result<AttributeReport> run() {
    TRY(lift_protection());
    TRY(set_owner());
    TRY(set_xattrs());
    TRY(set_mode());
    TRY(set_project());
    TRY(set_times());
    TRY(set_flags());
    return std::move(report_);
  }

 private:
  [[nodiscard]] bool has_flags() const {
    return node_.access == io::NodeAccess::kOpen &&
           (now_.kind == io::FileKind::kRegular || now_.kind == io::FileKind::kDirectory);
  }

  void count(std::string what) {
    if (std::find(report_.not_set.begin(), report_.not_set.end(), what) == report_.not_set.end()) {
      report_.not_set.push_back(std::move(what));
    }
  }

  // True when it worked, false when it was counted.
  Result<bool> done_or_counted(Result<void> outcome, std::string what) {
    if (outcome) return true;
    if (!can_be_counted(outcome.error().code())) {
      return std::unexpected(std::move(outcome).error());
    }
    count(std::move(what));
    return false;
  }

  Result<void> lift_protection() {
    if (!has_flags()) return {};
    Result<std::uint32_t> flags = io::inode_flags(node_.fd);
    if (!flags) {
      knows_flags_ = false;
      TRY(done_or_counted(std::unexpected(std::move(flags).error()), "flags"));
      return {};
    }
    flags_ = *flags;
    const std::uint32_t free = flags_ & ~io::kProtectionFlags;
    if (free != flags_ && TRY(done_or_counted(io::set_inode_flags(node_.fd, free), "flags"))) {
      flags_ = free;
    }
    return {};
  }

  Result<void> set_owner() {
    if (options_.ownership == Ownership::kSkip) return {};
    const std::uint32_t uid = wanted_uid(entry_, options_);
    const std::uint32_t gid = wanted_gid(entry_, options_);
    const bool other_uid = uid != now_.uid;
    const bool other_gid = gid != now_.gid;
    if (!other_uid && !other_gid) return {};
    // The kernel takes nothing but set-id bits away.
    if ((now_.mode & (kSetUserId | kSetGroupId)) != 0) mode_is_known_ = false;
    if (other_uid && other_gid && io::set_owner(node_, uid, gid)) {
      now_.uid = uid;
      now_.gid = gid;
      return {};
    }
    // One may be allowed where both are not: users may give files to their own groups.
    if (other_gid && TRY(done_or_counted(io::set_owner(node_, std::nullopt, gid), "group"))) {
      now_.gid = gid;
    }
    if (other_uid && TRY(done_or_counted(io::set_owner(node_, uid, std::nullopt), "owner"))) {
      now_.uid = uid;
    }
    return {};
  }

  Result<void> set_xattrs() {
    Result<std::vector<std::string>> names = io::xattr_names(node_);
    if (!names) {
      // Without /proc, what has no descriptor of its own cannot be asked.
      const bool unreachable = names.error().code() == ErrorCode::kNotFound;
      if (unreachable && entry_.xattrs.empty()) return {};
      if (unreachable) {
        count("extended attributes");
        return {};
      }
      TRY(done_or_counted(std::unexpected(std::move(names).error()), "extended attributes"));
      return {};
    }
    TRY(remove_surplus_xattrs(*names));
    for (const ExtendedAttribute& wanted : entry_.xattrs) {
      const bool exists = std::binary_search(names->begin(), names->end(), wanted.name);
      TRY(set_xattr(wanted, exists));
    }
    return {};
  }

  Result<void> remove_surplus_xattrs(const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      const auto same_name = [&](const ExtendedAttribute& wanted) { return wanted.name == name; };
      const bool wanted = std::any_of(entry_.xattrs.begin(), entry_.xattrs.end(), same_name);
      if (wanted || !is_ours_to_remove(name)) continue;
      Result<void> outcome = io::remove_xattr(node_, name);
      if (!outcome && TRY(let_owner_write())) outcome = io::remove_xattr(node_, name);
      TRY(done_or_counted(std::move(outcome), "xattr " + name));
    }
    return {};
  }

  Result<void> set_xattr(const ExtendedAttribute& wanted, bool exists) {
    if (exists) {
      const Result<std::optional<Bytes>> value = io::xattr_value(node_, wanted.name);
      if (value && value->has_value() && **value == wanted.value) return {};
    }
    Result<void> outcome = io::set_xattr(node_, wanted.name, wanted.value);
    const bool denied = !outcome && outcome.error().code() == ErrorCode::kPermissionDenied;
    if (denied && TRY(let_owner_write())) {
      outcome = io::set_xattr(node_, wanted.name, wanted.value);
    }
    TRY(done_or_counted(std::move(outcome), "xattr " + wanted.name));
    return {};
  }

  // Attributes in user.* can only be written by who may write the file. True when that changed.
  Result<bool> let_owner_write() {
    if (owner_may_write_ || now_.kind == io::FileKind::kSymlink) return false;
    owner_may_write_ = true;
    const std::uint32_t mode = now_.mode | kOwnerMayWrite;
    if (mode == now_.mode && mode_is_known_) return false;
    mode_is_known_ = false;
    return io::set_mode(node_, mode).has_value();
  }

  // A program with set-id bits must belong to whom it belonged to: another owner would lend rights
  // that nobody gave.
  std::uint32_t wanted_mode() {
    std::uint32_t mode = entry_.mode & 07777U;
    const bool other_owner = now_.uid != wanted_uid(entry_, options_);
    const bool other_group = now_.gid != wanted_gid(entry_, options_);
    if (other_owner) mode &= ~kSetUserId;
    if (other_group && entry_.type != EntryType::kDirectory) mode &= ~kSetGroupId;
    if (mode != (entry_.mode & 07777U)) count("set-id bits");
    return mode;
  }

  Result<void> set_mode() {
    if (now_.kind == io::FileKind::kSymlink) return {};
    const std::uint32_t mode = wanted_mode();
    // An ACL among the attributes may have changed it a moment ago.
    if (mode == now_.mode && mode_is_known_ && entry_.xattrs.empty()) return {};
    if (!TRY(done_or_counted(io::set_mode(node_, mode), "mode"))) return {};
    if ((mode & kSetGroupId) == 0) return {};
    // For who is not in the group, the kernel drops the bit without a failure.
    if (TRY(io::full_status_of(node_.fd)).mode != mode) count("mode");
    return {};
  }

  Result<void> set_project() {
    if (!has_flags()) {
      if (entry_.project_id != 0) count("project id");
      return {};
    }
    const Result<std::uint32_t> now = io::project_id(node_.fd);
    if (now && *now == entry_.project_id) return {};
    TRY(done_or_counted(io::set_project_id(node_.fd, entry_.project_id), "project id"));
    return {};
  }

  Result<void> set_times() {
    const Result<void> outcome = io::set_times(node_, entry_.accessed, entry_.modified);
    if (!TRY(done_or_counted(outcome ? Result<void>() : std::unexpected(outcome.error().clone()),
                             "times"))) {
      return {};
    }
    const std::int64_t seconds = entry_.modified.seconds;
    if (seconds >= 0 && seconds <= std::numeric_limits<std::int32_t>::max()) return {};
    // File systems move what they cannot hold to the nearest time that they can.
    if (TRY(io::full_status_of(node_.fd)).modified != entry_.modified) count("times");
    return {};
  }

  Result<void> set_flags() {
    if (!has_flags()) {
      if (entry_.inode_flags != 0) count("flags");
      return {};
    }
    if (!knows_flags_) return {};
    const std::uint32_t others = flags_ & ~io::kSettableInodeFlags;
    const std::uint32_t wanted = others | (entry_.inode_flags & io::kSettableInodeFlags);
    if (wanted == flags_) return {};
    const Result<void> all = io::set_inode_flags(node_.fd, wanted);
    if (all) return {};
    if (!can_be_counted(all.error().code())) return std::unexpected(all.error().clone());
    count("flags");
    // As many as can be had; those that forbid every further change come last.
    set_flags_one_by_one(wanted & ~io::kProtectionFlags);
    set_flags_one_by_one(wanted);
    return {};
  }

  void set_flags_one_by_one(std::uint32_t wanted) {
    for (std::uint32_t bit = 1; bit != 0; bit <<= 1) {
      if (((wanted ^ flags_) & bit) == 0) continue;
      if (io::set_inode_flags(node_.fd, flags_ ^ bit)) flags_ ^= bit;
    }
  }

  io::NodeRef node_;
  io::FileStatus now_;
  const Entry& entry_;
  const TargetTree::Options& options_;
  AttributeReport report_;
  std::uint32_t flags_ = 0;
  bool knows_flags_ = true;
  bool mode_is_known_ = true;
  bool owner_may_write_ = false;
};

}  // namespace

Result<AttributeReport> apply_attributes(io::NodeRef node, const io::FileStatus& now,
                                         const Entry& entry, const TargetTree::Options& options) {
  return AttributeSetter(node, now, entry, options).run();
}

bool has_attributes(const Entry& now, const Entry& entry, const TargetTree::Options& options) {
  const bool same_owner =
      options.ownership == Ownership::kSkip ||
      (now.uid == wanted_uid(entry, options) && now.gid == wanted_gid(entry, options));
  const bool same_mode = entry.type == EntryType::kSymlink || now.mode == entry.mode;
  return same_owner && same_mode && now.modified == entry.modified && now.xattrs == entry.xattrs &&
         now.inode_flags == entry.inode_flags && now.project_id == entry.project_id;
}

}  // namespace backstay::source
