#include "mount/fuse_operations.h"

#include <fcntl.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>

namespace backstay::mount {

namespace {

// The kernel keeps what it was told for so long; of snapshots, nothing of it ever changes.
constexpr double kForEverSeconds = 7.0 * 24 * 3600;
constexpr double kForNowSeconds = 1;
constexpr unsigned kBackgroundReads = 64;

// The library is there: it calls.
FuseContext& context_of(fuse_req_t request) {
  static const FuseLibrary& fuse = **fuse_library();
  return *static_cast<FuseContext*>(fuse.req_userdata(request));
}

double seconds_of(Lasting lasting) {
  return lasting == Lasting::kForEver ? kForEverSeconds : kForNowSeconds;
}

fuse_entry_param entry_param(const Found& found) {
  fuse_entry_param entry{};
  entry.ino = found.inode;
  entry.attr = found.status;
  entry.attr_timeout = entry.entry_timeout = seconds_of(found.lasting);
  return entry;
}

// Nobody is told of what a reader gave up himself, or asked for what has gone.
void reply_error(fuse_req_t request, Inode inode, const Error& error) {
  FuseContext& context = context_of(request);
  const NodePtr node = context.tree.node(inode);
  int number = EIO;
  if (error.code() == ErrorCode::kCancelled)
    number = EINTR;
  else if (node == nullptr)
    number = ESTALE;
  else if (error.code() == ErrorCode::kNotFound && node->place == Place::kLink)
    number = ENOENT;
  else
    context.report(*node, error);
  context.fuse.reply_err(request, number);
}

void on_init(void* user_data, fuse_conn_info* connection) {
  static_cast<void>(user_data);
  connection->max_read = kReadBytesMax;
  connection->max_readahead = kReadBytesMax;
  connection->max_background = kBackgroundReads;
  connection->congestion_threshold = kBackgroundReads;
  connection->time_gran = 1;
}

void on_lookup(fuse_req_t request, fuse_ino_t folder, const char* name) {
  FuseContext& context = context_of(request);
  const auto found = context.tree.lookup(folder, name);
  if (!found) return reply_error(request, folder, found.error());
  if (*found) {
    const fuse_entry_param entry = entry_param(**found);
    context.fuse.reply_entry(request, &entry);
    return;
  }
  const NodePtr node = context.tree.node(folder);
  if (node == nullptr || node->place != Place::kEntry) {
    context.fuse.reply_err(request, ENOENT);
    return;
  }
  // That it is not there is remembered too.
  fuse_entry_param nothing{};
  nothing.entry_timeout = kForEverSeconds;
  context.fuse.reply_entry(request, &nothing);
}

void on_forget(fuse_req_t request, fuse_ino_t inode, std::uint64_t lookups) {
  FuseContext& context = context_of(request);
  context.tree.forget(inode, lookups);
  context.fuse.reply_none(request);
}

void on_forget_multi(fuse_req_t request, std::size_t count, fuse_forget_data* forgotten) {
  FuseContext& context = context_of(request);
  for (std::size_t i = 0; i < count; ++i)
    context.tree.forget(forgotten[i].ino, forgotten[i].nlookup);
  context.fuse.reply_none(request);
}

void on_getattr(fuse_req_t request, fuse_ino_t inode, fuse_file_info* file) {
  static_cast<void>(file);
  FuseContext& context = context_of(request);
  const auto found = context.tree.status(inode);
  if (!found) return reply_error(request, inode, found.error());
  context.fuse.reply_attr(request, &found->status, seconds_of(found->lasting));
}

void on_readlink(fuse_req_t request, fuse_ino_t inode) {
  FuseContext& context = context_of(request);
  const auto target = context.tree.link_target(inode);
  if (!target) return reply_error(request, inode, target.error());
  context.fuse.reply_readlink(request, target->c_str());
}

// ---- files

OpenFile& open_file_of(const fuse_file_info* file) {
  return *std::bit_cast<OpenFile*>(file->fh);
}

void on_open(fuse_req_t request, fuse_ino_t inode, fuse_file_info* file) {
  FuseContext& context = context_of(request);
  if ((file->flags & O_ACCMODE) != O_RDONLY) {
    context.fuse.reply_err(request, EROFS);
    return;
  }
  auto opened = context.tree.open_file(inode);
  if (!opened) return reply_error(request, inode, opened.error());
  OpenFile* const raw = opened->release();
  file->fh = std::bit_cast<std::uint64_t>(raw);
  file->keep_cache = 1;
  // Nobody will release what nobody got.
  if (context.fuse.reply_open(request, file) == -ENOENT) delete raw;
}

void on_read(fuse_req_t request, fuse_ino_t inode, std::size_t size, off_t offset,
             fuse_file_info* file) {
  FuseContext& context = context_of(request);
  const auto buffer = std::make_unique_for_overwrite<std::uint8_t[]>(size);
  const GivenUp given_up = [&context, request] {
    return context.stop.stop_requested() || context.fuse.req_interrupted(request) != 0;
  };
  const auto got =
      open_file_of(file).read(static_cast<std::uint64_t>(offset), {buffer.get(), size}, given_up);
  if (!got) return reply_error(request, inode, got.error());
  context.fuse.reply_buf(request, reinterpret_cast<const char*>(buffer.get()), *got);
}

void on_release(fuse_req_t request, fuse_ino_t inode, fuse_file_info* file) {
  static_cast<void>(inode);
  delete &open_file_of(file);
  context_of(request).fuse.reply_err(request, 0);
}

void on_lseek(fuse_req_t request, fuse_ino_t inode, off_t offset, int whence,
              fuse_file_info* file) {
  FuseContext& context = context_of(request);
  if (whence != SEEK_DATA && whence != SEEK_HOLE) {
    context.fuse.reply_err(request, EINVAL);
    return;
  }
  OpenFile& open = open_file_of(file);
  const auto from = static_cast<std::uint64_t>(offset);
  const auto found = whence == SEEK_DATA ? open.next_data(from) : open.next_hole(from);
  if (!found) return reply_error(request, inode, found.error());
  if (*found)
    context.fuse.reply_lseek(request, static_cast<off_t>(**found));
  else
    context.fuse.reply_err(request, ENXIO);
}

// ---- folders

// How many entries a folder has before its children: "." and "..".
constexpr std::uint64_t kDots = 2;

struct Listing {
  std::unique_ptr<OpenFolder> children;
  Inode self = 0;
  Inode parent = 0;
};

Listing& listing_of(const fuse_file_info* file) {
  return *std::bit_cast<Listing*>(file->fh);
}

void on_opendir(fuse_req_t request, fuse_ino_t inode, fuse_file_info* file) {
  FuseContext& context = context_of(request);
  const NodePtr node = context.tree.node(inode);
  auto opened = context.tree.open_folder(inode);
  if (!opened) return reply_error(request, inode, opened.error());
  auto* const raw = new Listing{.children = *std::move(opened),
                                .self = inode,
                                .parent = node == nullptr ? kRootInode : parent_inode(*node)};
  file->fh = std::bit_cast<std::uint64_t>(raw);
  const bool lasts = node != nullptr && node->place == Place::kEntry;
  file->keep_cache = lasts ? 1 : 0;
  file->cache_readdir = lasts ? 1 : 0;
  if (context.fuse.reply_open(request, file) == -ENOENT) delete raw;
}

void on_releasedir(fuse_req_t request, fuse_ino_t inode, fuse_file_info* file) {
  static_cast<void>(inode);
  delete &listing_of(file);
  context_of(request).fuse.reply_err(request, 0);
}

// A buffer of the size that the kernel asked for, being filled with names.
class NameBuffer {
 public:
  NameBuffer(fuse_req_t request, std::size_t size)
      : request_(request), context_(context_of(request)), bytes_(size) {}

  // False when there is no room for it. `next` is where a listing that follows begins.
  bool add(const char* name, const struct stat& status, std::uint64_t next) {
    return took(context_.fuse.add_direntry(request_, place(), room(), name, &status,
                                           static_cast<off_t>(next)));
  }
  bool add_plus(const char* name, const fuse_entry_param& entry, std::uint64_t next) {
    return took(context_.fuse.add_direntry_plus(request_, place(), room(), name, &entry,
                                                static_cast<off_t>(next)));
  }
  [[nodiscard]] bool empty() const { return used_ == 0; }
  void reply() { context_.fuse.reply_buf(request_, bytes_.data(), used_); }

 private:
  char* place() { return bytes_.data() + used_; }
  [[nodiscard]] std::size_t room() const { return bytes_.size() - used_; }
  bool took(std::size_t size) {
    if (size > room()) return false;
    used_ += size;
    return true;
  }

  fuse_req_t request_;
  FuseContext& context_;
  std::vector<char> bytes_;
  std::size_t used_ = 0;
};

enum class Detail : std::uint8_t { kNames, kStatusToo };

bool add_dot(NameBuffer& buffer, const Listing& listing, std::uint64_t number, Detail detail) {
  fuse_entry_param entry{};  // of no inode: the kernel knows both folders
  entry.attr.st_ino = number == 0 ? listing.self : listing.parent;
  entry.attr.st_mode = S_IFDIR;
  const char* const name = number == 0 ? "." : "..";
  return detail == Detail::kNames ? buffer.add(name, entry.attr, number + 1)
                                  : buffer.add_plus(name, entry, number + 1);
}

bool add_child(FileTree& tree, NameBuffer& buffer, const Child& child, std::uint64_t next,
               Detail detail) {
  if (detail == Detail::kNames) return buffer.add(child.name.c_str(), child.status, next);
  const Found found = tree.remember(child);
  if (buffer.add_plus(child.name.c_str(), entry_param(found), next)) return true;
  tree.forget(found.inode, 1);
  return false;
}

void list(fuse_req_t request, std::size_t size, off_t offset, fuse_file_info* file, Detail detail) {
  FuseContext& context = context_of(request);
  Listing& listing = listing_of(file);
  NameBuffer buffer(request, size);
  auto number = static_cast<std::uint64_t>(offset);
  while (number < kDots && add_dot(buffer, listing, number, detail)) ++number;
  for (; number >= kDots; ++number) {
    const auto child = listing.children->at(number - kDots);
    // What was read before it is given first: the next call meets the failure again.
    if (!child && buffer.empty()) return reply_error(request, listing.self, child.error());
    if (!child || !*child) break;
    if (!add_child(context.tree, buffer, **child, number + 1, detail)) break;
  }
  buffer.reply();
}

void on_readdir(fuse_req_t request, fuse_ino_t inode, std::size_t size, off_t offset,
                fuse_file_info* file) {
  static_cast<void>(inode);
  list(request, size, offset, file, Detail::kNames);
}

void on_readdirplus(fuse_req_t request, fuse_ino_t inode, std::size_t size, off_t offset,
                    fuse_file_info* file) {
  static_cast<void>(inode);
  list(request, size, offset, file, Detail::kStatusToo);
}

// ---- extended attributes

// A size of 0 asks how large the answer is.
void reply_value(fuse_req_t request, std::string_view value, std::size_t size) {
  const FuseLibrary& fuse = context_of(request).fuse;
  if (size == 0)
    fuse.reply_xattr(request, value.size());
  else if (value.size() > size)
    fuse.reply_err(request, ERANGE);
  else
    fuse.reply_buf(request, value.data(), value.size());
}

void on_getxattr(fuse_req_t request, fuse_ino_t inode, const char* name, std::size_t size) {
  FuseContext& context = context_of(request);
  const auto xattrs = context.tree.xattrs(inode);
  if (!xattrs) return reply_error(request, inode, xattrs.error());
  const auto found = std::ranges::find(*xattrs, name, &snapshot::ExtendedAttribute::name);
  if (found == xattrs->end())
    context.fuse.reply_err(request, ENODATA);
  else
    reply_value(request, as_text(found->value), size);
}

void on_listxattr(fuse_req_t request, fuse_ino_t inode, std::size_t size) {
  FuseContext& context = context_of(request);
  const auto xattrs = context.tree.xattrs(inode);
  if (!xattrs) return reply_error(request, inode, xattrs.error());
  std::string names;
  for (const snapshot::ExtendedAttribute& xattr : *xattrs) names.append(xattr.name).append(1, '\0');
  reply_value(request, names, size);
}

// As large as the largest snapshot, and full.
void on_statfs(fuse_req_t request, fuse_ino_t inode) {
  static_cast<void>(inode);
  constexpr std::uint64_t kBlockBytes = 4096;
  FuseContext& context = context_of(request);
  struct statvfs status {};
  status.f_bsize = status.f_frsize = kBlockBytes;
  status.f_namemax = 255;
  status.f_flag = ST_RDONLY;
  const SnapshotSetPtr shown = context.tree.shown();
  for (const ServedPtr& one : shown->all()) {
    const snapshot::SnapshotStats& stats = one->snapshot.stats;
    status.f_blocks = std::max<std::uint64_t>(status.f_blocks, stats.bytes_total / kBlockBytes + 1);
    status.f_files = std::max<std::uint64_t>(status.f_files, stats.files_total + stats.dirs_total);
  }
  context.fuse.reply_statfs(request, &status);
}

fuse_lowlevel_ops make_operations() {
  fuse_lowlevel_ops operations{};
  operations.init = on_init;
  operations.lookup = on_lookup;
  operations.forget = on_forget;
  operations.forget_multi = on_forget_multi;
  operations.getattr = on_getattr;
  operations.readlink = on_readlink;
  operations.open = on_open;
  operations.read = on_read;
  operations.release = on_release;
  operations.lseek = on_lseek;
  operations.opendir = on_opendir;
  operations.readdir = on_readdir;
  operations.readdirplus = on_readdirplus;
  operations.releasedir = on_releasedir;
  operations.getxattr = on_getxattr;
  operations.listxattr = on_listxattr;
  operations.statfs = on_statfs;
  return operations;
}

}  // namespace

const fuse_lowlevel_ops& fuse_operations() {
  static const fuse_lowlevel_ops operations = make_operations();
  return operations;
}

}  // namespace backstay::mount
