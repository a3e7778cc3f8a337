// One stack frame for each folder between the root and the current one; a frame has the names that
// are still to come, in order, and the open folder. Giving a folder before what is in it, and
// siblings by the bytes of their names, is the order of tree keys, because the separator of a key
// is smaller than any byte of a name.
//
// What makes it safe on a tree that others change meanwhile: every name is looked up in an open
// folder, no link is followed below a given path, and what was opened is compared by device and
// inode with what was looked at. When they differ, the name is looked at again. Frames far up are
// closed when the tree is deep; on the way back ".." of the child must be the inode it was, or the
// folder is opened by its path again.
#include "source/walker.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/try.h"
#include "snapshot/tree_key.h"
#include "source/entry_status.h"

namespace backstay::source {

using snapshot::Entry;
using snapshot::EntryType;

namespace {

constexpr int kLooks = 3;  // at a name that is being replaced
constexpr std::size_t kNameBytesMax = 255;
constexpr std::size_t kNamesMemoryMin = std::size_t{1} << 20;
constexpr const char* kCacheTag = "CACHEDIR.TAG";
constexpr std::string_view kCacheSignature = "Signature: 8a477f597d28d172789f06886806bc55";

bool is_cache_tag(int folder) {
  const Result<io::OpenNode> tag = io::open_file_to_read(folder, kCacheTag);
  if (!tag) return false;
  std::array<std::uint8_t, kCacheSignature.size()> head{};
  const Result<std::size_t> got = io::read_full(tag->fd.get(), head);
  return got && *got == head.size() && as_text(head) == kCacheSignature;
}

// As people expect it; the kernel's words name the system call that noticed.
Error not_there(bool given) {
  if (!given) return vanished();
  return Error(ErrorCode::kNotFound, "there is no such file or folder")
      .with_hint("Check the spelling of the path.");
}

}  // namespace

Walker::Walker(const FileSourceOptions& options, const ReportError& report, const GivenPaths& given,
               OpenFolders& folders)
    : options_(options),
      report_(report),
      given_(given),
      folders_(folders),
      open_max_(std::max<std::size_t>(options.open_directories_max / 2, 2)) {
  for (const std::string& path : options.never) {
    never_keys_.push_back(snapshot::key_from_path(snapshot::clean_path(path, "/")));
    const Result<io::FileStatus> status = io::full_status_of_path(path);
    if (status) never_inodes_.emplace_back(status->device, status->inode);
  }
}

Result<std::optional<SourceItem>> Walker::next() {
  if (!std::exchange(started_, true)) {
    if (std::optional<SourceItem> item = visit(enter_root())) return item;
  }
  while (!stack_.empty()) {
    Frame& frame = stack_.back();
    if (const std::optional<std::string_view> name = next_name(frame)) {
      if (std::optional<SourceItem> item = visit(enter_place(frame, *name))) return item;
    } else {
      pop();
    }
  }
  return std::nullopt;
}

Walker::Place Walker::enter_root() {
  Place place;
  place.folder = folders_.root()->fd.get();
  place.name = ".";
  place.given = place.inside = given_.contains(given_.all(), {});
  place.below = given_.below(given_.all(), {});
  place.allowed_device = folders_.root()->status.device;
  return place;
}

Walker::Place Walker::enter_place(const Frame& frame, std::string_view name) {
  key_.resize(frame.key_length);
  if (!key_.empty()) key_.push_back('\0');
  key_.append(name);
  Place place;
  place.folder = frame.folder->fd.get();
  place.name = name.data();
  place.inside = frame.inside;
  place.allowed_device = frame.allowed_device;
  place.mark = std::ranges::find(frame.marks, name) != frame.marks.end();
  if (!frame.given.empty()) {
    place.given = given_.contains(frame.given, key_);
    place.inside = place.inside || place.given;
    place.below = given_.below(frame.given, key_);
  }
  return place;
}

std::optional<std::string_view> Walker::next_name(Frame& frame) {
  while (true) {
    if (const std::optional<std::string_view> name = frame.names.next()) return name;
    if (frame.listed && frame.names.complete()) return std::nullopt;
    frame.listed = true;
    key_.resize(frame.key_length);
    names_memory_ -= frame.names.memory();
    const std::size_t memory_max = options_.names_memory_max;
    const std::size_t left = memory_max - std::min(names_memory_, memory_max);
    const bool all = frame.listing == Listing::kAllNames;
    std::vector<std::string_view> known = given_.names_below(frame.given, key_);
    known.insert(known.end(), frame.marks.begin(), frame.marks.end());
    const Result<void> filled =
        frame.names.fill(all ? &reader_ : nullptr, frame.folder->fd.get(), known,
                         std::max(left, std::min(kNamesMemoryMin, memory_max)));
    names_memory_ += frame.names.memory();
    if (!filled) report(filled.error());
  }
}

std::optional<SourceItem> Walker::visit(const Place& place) {
  if (std::strlen(place.name) > kNameBytesMax) {
    report(Error(ErrorCode::kUnsupported, "its name is longer than 255 bytes"));
    return std::nullopt;
  }
  const bool can_be_excluded = place.inside && !key_.empty() && !options_.excludes.empty();
  if (can_be_excluded && options_.excludes.matches(path())) return std::nullopt;
  const bool is_below = place.inside && !place.given;
  if (is_below && options_.selects && !options_.selects(path())) return std::nullopt;
  if (key_.size() > snapshot::kKeyBytesMax) {
    report(Error(ErrorCode::kUnsupported, "its path is longer than 1 MiB"));
    return std::nullopt;
  }
  Result<std::optional<SourceItem>> item = look(place);
  for (int looks = 1; looks < kLooks && !item && item.error().code() == ErrorCode::kConflict;
       ++looks) {
    item = look(place);
  }
  if (item) return std::move(*item);
  const bool gone = item.error().code() == ErrorCode::kNotFound;
  if (place.inside) report(gone ? not_there(place.given) : item.error().clone());
  report_given_below(place, gone ? not_there(true) : item.error().clone());
  return std::nullopt;
}

Result<std::optional<SourceItem>> Walker::look(const Place& place) {
  const io::FileStatus status = TRY(io::full_status_at(place.folder, place.name, place.link()));
  if (is_left_out(place, status)) return std::nullopt;
  SourceItem item;
  item.key = key_;
  item.entry =
      TRY(entry_from_status(status, options_.with_atime ? AccessTimes::kKeep : AccessTimes::kDrop));
  if (item.entry.type == EntryType::kDirectory) {
    TRY(enter_folder(place, status, item));
    return item;
  }
  if (item.entry.type == EntryType::kSymlink) {
    item.entry.symlink_target = TRY(io::read_link_at(place.folder, place.name));
  }
  if (!place.below.empty()) {
    report_given_below(
        place, Error(ErrorCode::kNotFound, "one of the names on the way to it is not a folder")
                   .with_hint("If it is a symbolic link, give the path that it leads to."));
  }
  if (!place.inside) return std::nullopt;
  return item;
}

bool Walker::is_left_out(const Place& place, const io::FileStatus& status) {
  const std::pair inode(status.device, status.inode);
  // A symbolic link to the repository is not the repository.
  const bool never = std::ranges::find(never_inodes_, inode) != never_inodes_.end() ||
                     (status.kind != io::FileKind::kSymlink &&
                      std::ranges::find(never_keys_, key_) != never_keys_.end());
  if (never) {
    const Error error(ErrorCode::kInvalidArgument,
                      "it belongs to the repository or to the cache and is not backed up");
    if (place.given) report(error);
    report_given_below(place, error);
    return true;
  }
  return place.inside && options_.exclude_larger_than > 0 &&
         status.kind == io::FileKind::kRegular && status.size > options_.exclude_larger_than;
}

Result<void> Walker::enter_folder(const Place& place, const io::FileStatus& status,
                                  SourceItem& item) {
  const auto open_for = [&](io::FolderUse use) {
    return io::open_folder_to_walk(place.folder, place.name, use, place.link());
  };
  Result<io::OpenNode> open = open_for(io::FolderUse::kList);
  std::optional<Error> refusal;
  if (!open && open.error().code() == ErrorCode::kPermissionDenied) {
    refusal = std::move(open).error();
    open = open_for(io::FolderUse::kPass);
  }
  if (!open) return std::unexpected(std::move(open).error());
  if (!open->status.same_file(status)) return std::unexpected(replaced());
  Descent descent = how_to_descend(place, *open);
  item.entry.left_out = descent.left_out;
  if (refusal && descent.enter && descent.listing == Listing::kAllNames) {
    report(*refusal);
    descent.listing = Listing::kGivenNames;
    if (place.below.empty()) return {};
  }
  if (!descent.enter) return {};
  const auto folder = std::make_shared<const io::OpenNode>(*std::move(open));
  folders_.remember(key_, folder);
  push(place, folder, std::move(descent));
  return {};
}

Walker::Descent Walker::how_to_descend(const Place& place, const io::OpenNode& folder) {
  Descent descent;
  if (place.inside) {
    const bool elsewhere =
        options_.one_file_system && !place.given && folder.status.device != place.allowed_device;
    if (elsewhere) {
      descent.left_out = snapshot::LeftOut::kOtherFileSystem;
    } else if (place.mark) {
      descent.left_out = snapshot::LeftOut::kMarked;
    } else {
      descent = find_marks(folder);
    }
    if (descent.left_out == snapshot::LeftOut::kNothing) return descent;
  }
  descent.listing = Listing::kGivenNames;
  descent.enter = !place.below.empty() || !descent.marks.empty();
  return descent;
}

// The marks themselves are kept: a folder that is restored is still known for what it is.
Walker::Descent Walker::find_marks(const io::OpenNode& folder) {
  const int fd = folder.fd.get();
  Descent descent;
  for (const std::string& name : options_.exclude_if_present) {
    if (!io::full_status_at(fd, name.c_str())) continue;
    descent.left_out = snapshot::LeftOut::kMarked;
    descent.marks.push_back(name);
  }
  if (options_.exclude_caches && is_cache_tag(fd)) {
    descent.left_out = snapshot::LeftOut::kCache;
    descent.marks.emplace_back(kCacheTag);
  }
  return descent;
}

void Walker::push(const Place& place, FolderPtr folder, Descent descent) {
  Frame frame;
  frame.inode = folder->status.inode;
  frame.device = folder->status.device;
  frame.allowed_device = place.given ? frame.device : place.allowed_device;
  frame.folder = std::move(folder);
  frame.key_length = key_.size();
  frame.listing = descent.listing;
  frame.marks = std::move(descent.marks);
  frame.inside = place.inside;
  frame.given = place.below;
  stack_.push_back(std::move(frame));
  while (stack_.size() - first_open_ > open_max_) stack_[first_open_++].folder.reset();
}

void Walker::pop() {
  const Frame done = std::move(stack_.back());
  stack_.pop_back();
  names_memory_ -= done.names.memory();
  if (stack_.empty() || first_open_ < stack_.size()) return;
  Frame& frame = stack_.back();
  first_open_ = stack_.size() - 1;
  Result<FolderPtr> folder = reopen(frame, done.folder);
  if (folder) {
    frame.folder = *std::move(folder);
    return;
  }
  key_.resize(frame.key_length);
  report(std::move(folder).error().with_context("going back to a folder to read the rest of it"));
  frame.listed = true;
  frame.names.clear();
}

Result<FolderPtr> Walker::reopen(const Frame& frame, const FolderPtr& child) {
  const bool will_list = frame.listing == Listing::kAllNames && !frame.names.complete();
  const auto use = will_list ? io::FolderUse::kList : io::FolderUse::kPass;
  const auto open_from = [&](const FolderPtr& from, const char* name) -> Result<FolderPtr> {
    io::OpenNode node = TRY(io::open_folder_to_walk(from->fd.get(), name, use));
    if (node.status.inode != frame.inode || node.status.device != frame.device) {
      return fail(ErrorCode::kConflict, "it was moved or replaced while the backup ran");
    }
    return std::make_shared<const io::OpenNode>(std::move(node));
  };
  if (child) {
    if (Result<FolderPtr> folder = open_from(child, "..")) return folder;
  }
  const std::string_view key = std::string_view(key_).substr(0, frame.key_length);
  return open_from(TRY(folders_.find(key)), ".");
}

std::string Walker::path() const {
  return snapshot::path_from_key(key_);
}

void Walker::report(const Error& error) const {
  report_(path(), with_reader_hint(error.clone()));
}

void Walker::report_given_below(const Place& place, const Error& error) const {
  for (std::size_t index = place.below.begin; index < place.below.end; ++index) {
    report_(snapshot::path_from_key(given_.key_at(index)), error);
  }
}

}  // namespace backstay::source
