#include "source/file_reader.h"

#include <algorithm>
#include <utility>

#include "base/byte_size.h"
#include "base/try.h"

namespace backstay::source {
namespace {

// From here on a longer read-ahead is worth the call that asks for it.
constexpr std::uint64_t kSequentialMin = kMiB;

class OpenFileReader final : public FileReader {
 public:
  OpenFileReader(io::OpenNode file, const snapshot::Entry& seen, AccessTimes access_times)
      : file_(std::move(file)), seen_(seen), access_times_(access_times) {
    if (file_.status.size >= kSequentialMin) io::advise_sequential(file_.fd.get());
  }

  Result<std::optional<FileRun>> next_run() override {
    position_ = run_end_;
    if (ended_) return std::nullopt;
    const std::optional<io::FileExtent> extent =
        TRY(io::extent_at(file_.fd.get(), position_, file_.status.size));
    if (!extent) return std::nullopt;
    run_end_ = extent->offset + extent->length;
    if (extent->hole) position_ = run_end_;
    return FileRun{extent->offset, extent->length, extent->hole};
  }

  Result<std::size_t> read(MutableByteView out) override {
    const auto wanted =
        static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), run_end_ - position_));
    if (wanted == 0 || ended_) return std::size_t{0};
    const std::size_t got = TRY(io::pread_full(file_.fd.get(), out.first(wanted), position_));
    position_ += got;
    ended_ = got < wanted;
    return got;
  }

  Result<snapshot::Entry> entry_now() override {
    const int fd = file_.fd.get();
    snapshot::Entry entry = TRY(entry_from_status(TRY(io::full_status_of(fd)), access_times_));
    // Whatever changes these attributes changes the ctime too.
    if (entry.inode == seen_.inode && entry.changed == seen_.changed) {
      copy_attributes(seen_, entry);
      return entry;
    }
    io::XattrReader xattrs;
    std::vector<io::NamedValue> values;
    TRY(xattrs.read(fd, values));
    set_xattrs(values, entry);
    const io::InodeAttributes inode = TRY(io::inode_attributes_of(fd));
    entry.inode_flags = inode.flags;
    entry.project_id = inode.project_id;
    return entry;
  }

 private:
  const io::OpenNode file_;
  const snapshot::Entry seen_;
  const AccessTimes access_times_;
  std::uint64_t position_ = 0;
  std::uint64_t run_end_ = 0;
  bool ended_ = false;  // earlier than its size said
};

}  // namespace

std::unique_ptr<FileReader> read_open_file(io::OpenNode file, const snapshot::Entry& seen,
                                           AccessTimes access_times) {
  return std::make_unique<OpenFileReader>(std::move(file), seen, access_times);
}

}  // namespace backstay::source
