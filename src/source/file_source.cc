#include "source/file_source.h"

#include <algorithm>
#include <utility>

#include "base/try.h"
#include "io/metadata.h"
#include "snapshot/tree_key.h"
#include "source/file_reader.h"
#include "source/given_paths.h"
#include "source/open_folders.h"
#include "source/walker.h"

namespace backstay::source {
namespace {

class FileSource final : public Source {
 public:
  FileSource(FileSourceOptions options, ReportError report, io::OpenNode root)
      : options_(std::move(options)),
        report_(std::move(report)),
        given_(options_.paths),
        folders_(given_, std::make_shared<const io::OpenNode>(std::move(root)),
                 options_.open_directories_max / 2),
        walker_(options_, report_, given_, folders_) {}

  Result<std::optional<SourceItem>> next() override { return walker_.next(); }

  void read_attributes(SourceItem& item) override {
    item.incomplete = false;
    const bool folder = item.entry.type == snapshot::EntryType::kDirectory;
    const Result<void> read = folder ? read_folder_attributes(item) : read_unopened(item);
    if (read) return;
    item.incomplete = true;
    // What vanished meanwhile is kept as the walk saw it.
    if (read.error().code() != ErrorCode::kNotFound) report(item, read.error());
  }

  Result<std::unique_ptr<FileReader>> open(SourceItem& item) override {
    if (item.entry.type != snapshot::EntryType::kFile) {
      return fail(ErrorCode::kInvalidArgument, "only regular files can be read");
    }
    Result<io::OpenNode> file = open_file(item);
    if (!file && file.error().code() == ErrorCode::kNotFound) return std::unexpected(vanished());
    if (!file) return std::unexpected(with_reader_hint(std::move(file).error()));
    const auto times = options_.with_atime ? AccessTimes::kKeep : AccessTimes::kDrop;
    item.entry = TRY(entry_from_status(file->status, times));
    io::XattrReader xattrs;
    read_opened(file->fd.get(), xattrs, item);
    return read_open_file(*std::move(file), item.entry, times);
  }

 private:
  Result<io::OpenNode> open_file(const SourceItem& item) {
    const FolderPtr folder = TRY(folders_.find(snapshot::parent_of_key(item.key)));
    const std::string name(snapshot::name_of_key(item.key));
    return io::open_file_to_read(folder->fd.get(), name.c_str());
  }

  // From the folder that the walk has open, as a rule. The walk has reported one that may not be
  // opened, so nothing is said here of what that hides; the next run tries again.
  Result<void> read_folder_attributes(SourceItem& item) {
    const FolderPtr folder = TRY(folders_.find(item.key));
    if (folder->status.inode != item.entry.inode) return std::unexpected(replaced());
    if (folder->use == io::FolderUse::kList) {
      read_opened(folder->fd.get(), xattrs_, item);
      return {};
    }
    const auto listed = io::open_folder_to_walk(folder->fd.get(), ".", io::FolderUse::kList);
    if (listed) {
      read_opened(listed->fd.get(), xattrs_, item);
      return {};
    }
    if (listed.error().code() != ErrorCode::kPermissionDenied)
      return std::unexpected(listed.error().clone());
    item.incomplete = true;
    // Under the name of a link on the way to a path are the attributes of the link.
    if (given_.is_only_above(item.key)) return {};
    Result<void> read = read_unopened(item);
    const bool hidden = !read && read.error().code() == ErrorCode::kPermissionDenied;
    return hidden ? Result<void>() : std::move(read);
  }
  Result<void> read_unopened(SourceItem& item) {
    std::vector<io::NamedValue> values;
    const FolderPtr folder = TRY(folders_.find(snapshot::parent_of_key(item.key)));
    const std::string name(snapshot::name_of_key(item.key));
    Result<void> read = xattrs_.read_at(folder->fd.get(), name.c_str(), values);
    set_xattrs(values, item.entry);
    return read;
  }
  void read_opened(int fd, io::XattrReader& xattrs, SourceItem& item) const {
    set_open_attributes(fd, xattrs, item.entry, [&](const Error& error) {
      item.incomplete = true;
      report(item, error);
    });
  }
  void report(const SourceItem& item, const Error& error) const {
    report_(snapshot::path_from_key(item.key), with_reader_hint(error.clone()));
  }

  const FileSourceOptions options_;
  const ReportError report_;
  const GivenPaths given_;
  OpenFolders folders_;
  Walker walker_;
  io::XattrReader xattrs_;  // of read_attributes()
};

Result<void> check_options(const FileSourceOptions& options) {
  if (options.paths.empty()) {
    return fail(ErrorCode::kInvalidArgument, "there is no path to back up");
  }
  for (const std::string& path : options.paths) {
    if (path.empty() || path[0] != '/' || snapshot::clean_path(path, "/") != path ||
        path.find('\0') != path.npos) {
      return fail(ErrorCode::kInvalidArgument, "not an absolute and clean path: " + path);
    }
  }
  for (const std::string& name : options.exclude_if_present) {
    if (name.empty() || name.find('/') != name.npos || name.find('\0') != name.npos) {
      return fail(ErrorCode::kInvalidArgument,
                  "the mark of a folder to exclude is not the name of a file: " + name);
    }
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Source>> open_file_source(FileSourceOptions options, ReportError report) {
  TRY(check_options(options));
  io::OpenNode root = TRY(io::open_root());
  return std::make_unique<FileSource>(std::move(options), std::move(report), std::move(root));
}

}  // namespace backstay::source
