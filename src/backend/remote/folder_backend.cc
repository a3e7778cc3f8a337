#include "backend/remote/folder_backend.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <thread>

#include "backend/folder_layout.h"
#include "backend/free_place.h"
#include "backend/open.h"
#include "base/hex.h"
#include "base/try.h"
#include "io/file.h"

namespace backstay::backend::remote {
namespace {

// Above this a round trip that looks for the name costs less than sending the bytes for nothing.
constexpr std::uint64_t kLookFirstBytes = 256 * 1024;
constexpr int kAttempts = 3;

bool is_not_found(const Error& error) {
  return error.code() == ErrorCode::kNotFound;
}

std::unexpected<Error> refuse_taken(std::string_view name) {
  return fail(ErrorCode::kAlreadyExists, fmt::format("making {}: the name is taken", name));
}

// As temporary_path() makes them, and nobody else.
bool is_temporary(std::string_view name) {
  constexpr std::size_t kDigits = 32;
  if (!name.starts_with(io::kTemporaryPrefix)) return false;
  name.remove_prefix(std::string_view(io::kTemporaryPrefix).size());
  return name.size() == kDigits &&
         name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool is_repository(const Entry& entry) {
  return entry.name == "config" || (entry.name == "keys" && entry.kind == Kind::kFolder);
}

// "data/3f" of "data/3f/name"; empty for what is in the root.
std::string folder_of(std::string_view name) {
  const std::size_t slash = name.rfind('/');
  return std::string(name.substr(0, slash == std::string_view::npos ? 0 : slash));
}

Result<ObjectInfo> info_of(std::string name, const Entry& entry) {
  if (!entry.size_bytes || !entry.modified) {
    return fail(ErrorCode::kUnsupported,
                fmt::format("the server does not say how large {} is, or from when", name));
  }
  return ObjectInfo{
      .name = std::move(name), .size_bytes = *entry.size_bytes, .modified = *entry.modified};
}

// Tells of the objects in the folder `prefix`, and adds the folders below it to `below`.
Result<void> tell_objects(const std::string& prefix, const std::vector<Entry>& entries,
                          std::vector<std::string>& below,
                          const std::function<Result<void>(const ObjectInfo&)>& each) {
  for (const Entry& entry : entries) {
    std::string name = prefix + entry.name;
    if (!validate_name(name)) continue;
    if (entry.kind == Kind::kFolder) below.push_back(name + "/");
    if (entry.kind == Kind::kFile) TRY(each(TRY(info_of(std::move(name), entry))));
  }
  return {};
}

}  // namespace

Result<std::string> Files::mark(const std::string& /*path*/) {
  return fail(ErrorCode::kUnsupported, place() + " cannot replace what is still the same");
}

Result<void> Files::replace(const std::string& /*path*/, std::string_view /*mark*/,
                            ByteView /*bytes*/) {
  return fail(ErrorCode::kUnsupported, place() + " cannot replace what is still the same");
}

// ---- opening

Result<std::unique_ptr<FolderBackend>> FolderBackend::open(std::unique_ptr<Files> files,
                                                           OpenKind kind, Rng& rng,
                                                           FolderOptions options) {
  std::unique_ptr<FolderBackend> backend(new FolderBackend(std::move(files), rng, options));
  TRY_DOING("opening " + backend->describe(), backend->begin(kind));
  return backend;
}

Result<void> FolderBackend::begin(OpenKind kind) {
  auto root = files_->read_folder("");
  if (kind == OpenKind::kCreate && !root && is_not_found(root.error())) {
    TRY(files_->make_root());
    root = files_->read_folder("");
  }
  if (!root && is_not_found(root.error())) {
    return std::unexpected(
        Error(ErrorCode::kNotFound, fmt::format("there is no folder {}", describe()))
            .with_hint("Check the path as the server has it, or create a repository there with "
                       "backstay init."));
  }
  if (!root) return std::unexpected(std::move(root).error());
  append_only_ = std::ranges::find(*root, kAppendOnlyMarker, &Entry::name) != root->end();
  if (kind == OpenKind::kRead) return {};
  return remove_leftovers(*root);
}

// Nobody else would ever take them away, but in a folder that is no repository nothing is ours.
// Failures are no matter: the store may be read-only.
Result<void> FolderBackend::remove_leftovers(const std::vector<Entry>& entries) {
  const auto is_leftover = [](const Entry& entry) {
    return entry.kind == Kind::kFile && entry.modified && is_temporary(entry.name);
  };
  if (std::ranges::none_of(entries, is_repository)) return {};
  if (std::ranges::none_of(entries, is_leftover)) return {};
  const Result<Timestamp> now = store_time();
  if (!now) return {};
  for (const Entry& entry : entries) {
    if (!is_leftover(entry) || now->seconds - entry.modified->seconds < kLeftoverAgeSeconds) {
      continue;
    }
    static_cast<void>(files_->remove_file(entry.name).has_value());
  }
  return {};
}

Result<void> FolderBackend::check_is_free() {
  const std::vector<Entry> root = TRY(files_->read_folder(""));
  std::vector<std::string> names;
  std::ranges::transform(root, std::back_inserter(names), &Entry::name);
  return check_folder_is_free(describe(), names);
}

// ---- writing

std::string FolderBackend::temporary_path() {
  std::array<std::uint8_t, 16> random{};
  rng_.fill(random);
  return fmt::format("{}{}", io::kTemporaryPrefix, to_hex(random));
}

// Never the root: where that is gone, a disk is not mounted.
Result<void> FolderBackend::make_folders_for(std::string_view name) {
  for (std::size_t slash = name.find('/'); slash != std::string_view::npos;
       slash = name.find('/', slash + 1)) {
    const std::string folder(name.substr(0, slash));
    {
      const MutexLock lock(mutex_);
      if (known_folders_.contains(folder)) continue;
    }
    TRY(files_->make_folder(folder));
    const MutexLock lock(mutex_);
    known_folders_.insert(folder);
  }
  return {};
}

void FolderBackend::forget_folders() {
  const MutexLock lock(mutex_);
  known_folders_.clear();
}

Result<bool> FolderBackend::give_name(const std::string& temporary, const std::string& name) {
  if (files_->rename_replaces()) {
    const auto there = files_->look(name);
    if (there) return refuse_taken(name);
    if (!is_not_found(there.error())) return std::unexpected(there.error().clone());
  }
  Result<Renamed> renamed = files_->rename(temporary, name);
  if (renamed && *renamed == Renamed::kTaken) return refuse_taken(name);
  if (renamed) return true;
  if (renamed.error().retryable()) {
    // Apache says 500 when the folder is gone: whoever tries again makes it again.
    forget_folders();
    return std::unexpected(std::move(renamed).error());
  }
  // Servers have many words for it that the folder is gone.
  const std::string folder = folder_of(name);
  const auto found = files_->look(folder);
  if (!folder.empty() && !found && is_not_found(found.error())) return false;
  return std::unexpected(std::move(renamed).error());
}

Result<void> FolderBackend::put_streamed(std::string_view name, const StreamedBytes& bytes) {
  TRY(validate_name(name));
  const std::string path(name);
  if (bytes.size > kLookFirstBytes) {
    const auto there = files_->look(path);
    if (there) return refuse_taken(name);
    if (!is_not_found(there.error())) return std::unexpected(there.error().clone());
  }
  const std::string temporary = temporary_path();
  const auto work = [&]() -> Result<bool> {
    TRY(make_folders_for(name));
    TRY(files_->write(temporary, bytes));
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      if (TRY(give_name(temporary, path))) return true;
      forget_folders();
      TRY(make_folders_for(name));
    }
    return false;
  };
  Result<bool> done = work();
  if (done && *done) return {};
  // Where the server cannot be reached, it goes when it is a day old.
  if (done || done.error().code() != ErrorCode::kCancelled) {
    static_cast<void>(files_->remove_file(temporary).has_value());
  }
  if (!done) return std::unexpected(std::move(done).error());
  return fail(ErrorCode::kUnavailable, fmt::format("making {}: its folder comes and goes", name));
}

Result<void> FolderBackend::put(std::string_view name, std::span<const ByteView> pieces) {
  return put_streamed(name, streamed(pieces));
}

Result<void> FolderBackend::remove(std::string_view name) {
  TRY(validate_name(name));
  const std::string path(name);
  const auto found = files_->look(path);
  if (!found && is_not_found(found.error())) return {};
  if (!found) return std::unexpected(found.error().clone());
  // A folder is no object, so there is nothing of that name; and some servers would take all that
  // is in it away. The same goes for what is neither.
  if (found->kind != Kind::kFile) return {};
  if (!may_go_from_append_only(name) && TRY(is_append_only())) {
    return refuse_append_only(describe(), name);
  }
  return files_->remove_file(path);
}

// ---- reading

Result<Bytes> FolderBackend::get(std::string_view name, std::uint64_t size_max) {
  TRY(validate_name(name));
  return TRY_DOING(fmt::format("reading {}", name), files_->read(std::string(name), size_max));
}

Result<void> FolderBackend::get_range(std::string_view name, std::uint64_t offset,
                                      MutableByteView out) {
  TRY(validate_name(name));
  const auto ends_before = [&] {
    return fail(ErrorCode::kCorruption,
                fmt::format("object {} ends before {} + {} bytes", name, offset, out.size()));
  };
  if (out.empty()) {
    if (TRY(head(name)).size_bytes < offset) return ends_before();
    return {};
  }
  if (offset > ~std::uint64_t{0} - out.size()) {
    TRY(head(name));
    return ends_before();
  }
  TRY_DOING(fmt::format("reading {}", name), files_->read_range(std::string(name), offset, out));
  return {};
}

Result<ObjectInfo> FolderBackend::head(std::string_view name) {
  TRY(validate_name(name));
  const Entry entry = TRY(files_->look(std::string(name)));
  if (entry.kind == Kind::kFile) return info_of(std::string(name), entry);
  return fail(ErrorCode::kNotFound, fmt::format("{} is no file", name));
}

// A folder that is not there is empty, but a root that is gone is no empty store, and a folder that
// the one above it told of is there: nobody removes folders.
Result<std::vector<Entry>> FolderBackend::read_folder(const std::string& prefix, Named named) {
  const std::string path = prefix.substr(0, prefix.empty() ? 0 : prefix.size() - 1);
  auto read = files_->read_folder(path);
  if (read || !is_not_found(read.error()) || prefix.empty()) return read;
  if (named == Named::kByTheFolderAbove) {
    return fail(ErrorCode::kUnavailable,
                fmt::format("the server lists the folder {} and then has no such folder", path));
  }
  TRY(files_->look(""));
  // The root may have come back, as a disk that is mounted, since the first answer.
  read = files_->read_folder(path);
  if (!read && is_not_found(read.error())) return std::vector<Entry>();
  return read;
}

Result<std::vector<std::vector<Entry>>> FolderBackend::read_folders(
    const std::vector<std::string>& prefixes, std::string_view asked) {
  const auto read_one = [&](const std::string& prefix) {
    return read_folder(prefix, prefix == asked ? Named::kByNobody : Named::kByTheFolderAbove);
  };
  std::vector<Result<std::vector<Entry>>> read(prefixes.size());
  {
    std::vector<std::jthread> readers;
    for (std::size_t i = 1; i < prefixes.size(); ++i) {
      readers.emplace_back([&, i] { read[i] = read_one(prefixes[i]); });
    }
    read[0] = read_one(prefixes[0]);
  }
  std::vector<std::vector<Entry>> folders;
  for (std::size_t i = 0; i < prefixes.size(); ++i) {
    folders.push_back(TRY_DOING(fmt::format("listing '{}'", prefixes[i]), std::move(read[i])));
  }
  return folders;
}

Result<void> FolderBackend::list(std::string_view prefix,
                                 const std::function<Result<void>(const ObjectInfo&)>& each) {
  TRY(validate_prefix(prefix));
  std::vector<std::string> waiting{std::string(prefix)};
  while (!waiting.empty()) {
    const std::size_t count =
        std::min(waiting.size(), std::max<std::size_t>(options_.folders_at_once, 1));
    const std::vector<std::string> prefixes(waiting.end() - static_cast<std::ptrdiff_t>(count),
                                            waiting.end());
    waiting.resize(waiting.size() - count);
    const auto folders = TRY(read_folders(prefixes, prefix));
    for (std::size_t i = 0; i < folders.size(); ++i) {
      TRY(tell_objects(prefixes[i], folders[i], waiting, each));
    }
  }
  return {};
}

// ---- what the store says of itself

Result<bool> FolderBackend::is_append_only() {
  const auto marker = files_->look(std::string(kAppendOnlyMarker));
  if (!marker && marker.error().retryable()) return std::unexpected(marker.error().clone());
  append_only_ = marker.has_value() || !is_not_found(marker.error());
  return append_only_.load();
}

Result<void> FolderBackend::set_append_only(AppendOnly mode) {
  const bool now = TRY(is_append_only());
  if (now == (mode == AppendOnly::kOn)) return {};
  if (mode == AppendOnly::kOff) {
    TRY(files_->remove_file(std::string(kAppendOnlyMarker)));
  } else {
    const ByteView text = as_bytes(kAppendOnlyText);
    TRY(files_->write(std::string(kAppendOnlyMarker), streamed({&text, 1})));
  }
  append_only_ = mode == AppendOnly::kOn;
  return {};
}

Result<std::string> FolderBackend::mark(std::string_view name) {
  TRY(validate_replaceable(name));
  return files_->mark(std::string(name));
}

Result<void> FolderBackend::replace(std::string_view name, std::string_view mark, ByteView bytes) {
  TRY(validate_replaceable(name));
  return files_->replace(std::string(name), mark, bytes);
}

// By a file that is made and removed: only so it is the clock that files have their times from.
Result<Timestamp> FolderBackend::store_time() {
  const std::string temporary = temporary_path();
  const Result<void> made = files_->write(temporary, streamed({}));
  if (!made && made.error().code() == ErrorCode::kPermissionDenied) {
    // Of a store that is only read nobody needs the age of leases to the second.
    return files_->said_time().value_or(SystemClock().now());
  }
  if (!made) return std::unexpected(made.error().clone());
  const auto entry = files_->look(temporary);
  TRY(files_->remove_file(temporary));
  if (!entry) return std::unexpected(entry.error().clone());
  if (entry->modified) return *entry->modified;
  return fail(ErrorCode::kUnsupported, describe() + " does not say from when its files are");
}

Capabilities FolderBackend::capabilities() const {
  return {.conditional_create = false,
          .lists_at_once = true,
          .server_time = true,
          .over_network = true,
          .transfers_max = options_.transfers_max,
          .append_only = append_only_};
}

}  // namespace backstay::backend::remote
