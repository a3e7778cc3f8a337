#include "compare/entry_comparer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <string_view>

#include "base/clock.h"
#include "base/hex.h"
#include "base/try.h"

namespace backstay::compare {
namespace {

using io::FileKind;
using io::FileStatus;
using io::NamedValue;

constexpr std::size_t kBufferBytes = std::size_t{256} * 1024;  // two of them stay in a core's cache
constexpr std::size_t kShownBytes = 24;

std::string_view name_of(FileKind kind) {
  switch (kind) {
    case FileKind::kRegular:
      return "file";
    case FileKind::kDirectory:
      return "directory";
    case FileKind::kSymlink:
      return "symlink";
    case FileKind::kFifo:
      return "fifo";
    case FileKind::kSocket:
      return "socket";
    case FileKind::kCharDevice:
      return "chardevice";
    case FileKind::kBlockDevice:
      return "blockdevice";
    case FileKind::kUnknown:
      break;
  }
  return "unknown";
}

std::string octal(std::uint32_t mode) {
  return fmt::format("{:04o}", mode);
}
std::string device(std::uint64_t number) {
  return fmt::format("{}:{}", number >> 32, number & UINT32_MAX);
}

std::string shown(const NamedValue* attribute) {
  if (attribute == nullptr) return "none";
  const ByteView value = attribute->value;
  const bool cut = value.size() > kShownBytes;
  return fmt::format("{}={}{}", attribute->name,
                     to_hex(value.first(std::min(value.size(), kShownBytes))),
                     cut ? fmt::format("... ({} bytes)", value.size()) : "");
}

}  // namespace

struct EntryComparer::Place {
  const FolderPair& at;
  const std::string& name;
  const std::string& path;
};

HardLinks::Verdict HardLinks::check(const StatusPair& status) {
  if (status.left.links < 2 && status.right.links < 2) return Verdict::kFirst;
  const Inode left{status.left.device, status.left.inode};
  const Inode right{status.right.device, status.right.inode};
  const auto [at_left, left_is_new] = right_of_left_.try_emplace(left, right);
  const auto [at_right, right_is_new] = left_of_right_.try_emplace(right, left);
  if (at_left->second != right || at_right->second != left) return Verdict::kDiffer;
  return left_is_new ? Verdict::kFirst : Verdict::kKnown;
}

EntryComparer::EntryComparer(Report& report, Ownership ownership)
    : report_(report),
      ownership_(ownership),
      left_bytes_(kBufferBytes),
      right_bytes_(kBufferBytes) {}

void EntryComparer::compare(const FolderPair& at, const std::string& name, const std::string& path,
                            const StatusPair& status, HardLinks::Verdict links) {
  const bool is_file = status.left.kind == FileKind::kRegular;
  report_.compared(is_file ? 1 : 0, is_file ? status.left.size : 0);
  if (status.left.kind != status.right.kind) {
    report_.difference(path, What::kType, name_of(status.left.kind), name_of(status.right.kind));
    return;
  }
  compare_status(path, status);
  const Place place{at, name, path};
  if (status.left.kind == FileKind::kDirectory) return compare_folder(place);
  if (links == HardLinks::Verdict::kDiffer) {
    report_.difference(path, What::kHardLinks, std::to_string(status.left.links),
                       std::to_string(status.right.links));
  }
  if (links == HardLinks::Verdict::kKnown) return;
  if (is_file) return compare_file(place, status);
  if (status.left.kind == FileKind::kSymlink) compare_link(place);
  const Result<void> outcome = compare_closed_xattrs(place);
  if (!outcome) report_.unreadable(path, outcome.error().describe());
}

void EntryComparer::compare_status(const std::string& path, const StatusPair& status) {
  const FileStatus& left = status.left;
  const FileStatus& right = status.right;
  // Set-id bits of a stranger's program are dropped when the owner is not restored.
  const std::uint32_t bits = ownership_ == Ownership::kIgnore ? 01777U : 07777U;
  if ((left.mode & bits) != (right.mode & bits)) {
    report_.difference(path, What::kMode, octal(left.mode), octal(right.mode));
  }
  if (ownership_ == Ownership::kCompare && left.uid != right.uid) {
    report_.difference(path, What::kOwner, std::to_string(left.uid), std::to_string(right.uid));
  }
  if (ownership_ == Ownership::kCompare && left.gid != right.gid) {
    report_.difference(path, What::kGroup, std::to_string(left.gid), std::to_string(right.gid));
  }
  if (left.modified != right.modified) {
    report_.difference(path, What::kModified, format_rfc3339(left.modified),
                       format_rfc3339(right.modified));
  }
  if (left.special_device != right.special_device) {
    report_.difference(path, What::kDevice, device(left.special_device),
                       device(right.special_device));
  }
}

void EntryComparer::compare_folder(const Place& place) {
  const auto open = [&](const io::Fd& at) {
    return io::open_folder_to_walk(at.get(), place.name.c_str(), io::FolderUse::kList);
  };
  const Result<io::OpenNode> left = open(place.at.left);
  const Result<io::OpenNode> right = open(place.at.right);
  // A folder that cannot be opened is reported by the walk.
  if (!left || !right) return;
  const Result<void> outcome = compare_open(place.path, left->fd.get(), right->fd.get());
  if (!outcome) report_.unreadable(place.path, outcome.error().describe());
}

void EntryComparer::compare_file(const Place& place, const StatusPair& status) {
  const std::uint64_t size = status.left.size;
  if (size != status.right.size) {
    report_.difference(place.path, What::kSize, std::to_string(size),
                       std::to_string(status.right.size));
  }
  const Result<io::OpenNode> left = io::open_file_to_read(place.at.left.get(), place.name.c_str());
  const Result<io::OpenNode> right =
      io::open_file_to_read(place.at.right.get(), place.name.c_str());
  for (const Result<io::OpenNode>* side : {&left, &right}) {
    if (!*side) return report_.unreadable(place.path, side->error().describe());
  }
  Result<void> outcome = compare_open(place.path, left->fd.get(), right->fd.get());
  if (outcome && size == status.right.size) {
    outcome = compare_bytes(place.path, left->fd.get(), right->fd.get(), size);
  }
  if (!outcome) report_.unreadable(place.path, outcome.error().describe());
}

void EntryComparer::compare_link(const Place& place) {
  const Result<std::string> left = io::read_link_at(place.at.left.get(), place.name.c_str());
  const Result<std::string> right = io::read_link_at(place.at.right.get(), place.name.c_str());
  for (const Result<std::string>* side : {&left, &right}) {
    if (!*side) return report_.unreadable(place.path, side->error().describe());
  }
  if (*left != *right) report_.difference(place.path, What::kTarget, *left, *right);
}

// What only an open file or folder tells.
Result<void> EntryComparer::compare_open(const std::string& path, int left, int right) {
  TRY(xattrs_.read(left, left_xattrs_));
  TRY(xattrs_.read(right, right_xattrs_));
  compare_xattrs(path);
  const io::InodeAttributes at_left = TRY(io::inode_attributes_of(left));
  const io::InodeAttributes at_right = TRY(io::inode_attributes_of(right));
  if (at_left.flags != at_right.flags) {
    report_.difference(path, What::kFlags, fmt::format("{:#x}", at_left.flags),
                       fmt::format("{:#x}", at_right.flags));
  }
  if (at_left.project_id != at_right.project_id) {
    report_.difference(path, What::kProject, std::to_string(at_left.project_id),
                       std::to_string(at_right.project_id));
  }
  return {};
}

// Ranges that are holes on both sides are not read.
Result<void> EntryComparer::compare_bytes(const std::string& path, int left, int right,
                                          std::uint64_t size) {
  bool same_holes = true;
  for (std::uint64_t at = 0; at < size;) {
    const std::optional<io::FileExtent> at_left = TRY(io::extent_at(left, at, size));
    const std::optional<io::FileExtent> at_right = TRY(io::extent_at(right, at, size));
    if (!at_left || !at_right) {
      return fail(ErrorCode::kConflict, "it became shorter while it was compared");
    }
    const bool same = at_left->hole == at_right->hole && at_left->length == at_right->length;
    if (!same && same_holes) {
      const auto describe = [](const io::FileExtent& run) {
        return fmt::format("{}+{}:{}", run.offset, run.length, run.hole ? "hole" : "data");
      };
      report_.difference(path, What::kHoleMap, describe(*at_left), describe(*at_right));
      same_holes = false;
    }
    const std::uint64_t step = std::min(at_left->length, at_right->length);
    const bool nothing_to_read = at_left->hole && at_right->hole;
    if (!nothing_to_read && !TRY(same_range(left, right, at, step))) {
      const std::string where = fmt::format("differs-from-{}", at);
      report_.difference(path, What::kContent, where, "");
      return {};
    }
    at += step;
  }
  return {};
}

Result<bool> EntryComparer::same_range(int left, int right, std::uint64_t offset,
                                       std::uint64_t length) {
  for (std::uint64_t done = 0; done < length;) {
    const std::size_t step = std::min<std::uint64_t>(kBufferBytes, length - done);
    const MutableByteView a = MutableByteView(left_bytes_).first(step);
    const MutableByteView b = MutableByteView(right_bytes_).first(step);
    const std::size_t got_a = TRY(io::pread_full(left, a, offset + done));
    const std::size_t got_b = TRY(io::pread_full(right, b, offset + done));
    if (got_a != step || got_b != step || std::memcmp(a.data(), b.data(), step) != 0) return false;
    done += step;
  }
  return true;
}

Result<void> EntryComparer::compare_closed_xattrs(const Place& place) {
  TRY(xattrs_.read_at(place.at.left.get(), place.name.c_str(), left_xattrs_));
  TRY(xattrs_.read_at(place.at.right.get(), place.name.c_str(), right_xattrs_));
  compare_xattrs(place.path);
  return {};
}

// Both are sorted by name.
void EntryComparer::compare_xattrs(const std::string& path) {
  auto left = left_xattrs_.begin();
  auto right = right_xattrs_.begin();
  while (left != left_xattrs_.end() || right != right_xattrs_.end()) {
    const bool take_left =
        right == right_xattrs_.end() || (left != left_xattrs_.end() && left->name <= right->name);
    const bool take_right =
        left == left_xattrs_.end() || (right != right_xattrs_.end() && right->name <= left->name);
    const NamedValue* a = take_left ? &*left++ : nullptr;
    const NamedValue* b = take_right ? &*right++ : nullptr;
    const NamedValue& any = a != nullptr ? *a : *b;
    // Only root can set these.
    const bool roots_own = any.name.starts_with("security.") || any.name.starts_with("trusted.");
    if (ownership_ == Ownership::kIgnore && roots_own) continue;
    if (a == nullptr || b == nullptr || a->value != b->value) {
      report_.difference(path, What::kXattrs, shown(a), shown(b));
    }
  }
}

}  // namespace backstay::compare
