#include "backend/sftp/sftp_backend.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "backend/folder_layout.h"
#include "backend/free_place.h"
#include "base/hex.h"
#include "base/try.h"
#include "io/file.h"

namespace backstay::backend::sftp {
namespace {

// Folders that are read side by side. The 256 of data/ take a few round trips then.
constexpr std::size_t kFoldersAtOnce = 64;

Timestamp timestamp(const Attributes& attributes) {
  return {.seconds = attributes.modified_seconds.value_or(0), .nanos = 0};
}

using KeptFiles = std::vector<Client::KeptFile>;

Result<void> close_kept(Client& client, KeptFiles::iterator which) {
  const OpenFile file{.handle = which->handle, .size = 0};
  client.kept.erase(which);
  return close_file(client, file);
}

// Tells of the objects in the folder `prefix`, and adds the folders below it to `below`.
Result<void> tell_objects(const std::string& prefix, const Folder& folder,
                          std::vector<std::string>& below,
                          const std::function<Result<void>(const ObjectInfo&)>& each) {
  for (const NamedFile& file : folder.files) {
    std::string name = prefix + file.name;
    if (!validate_name(name)) continue;
    if (file.attributes.is_folder()) below.push_back(name + "/");
    if (!file.attributes.mode) {
      return fail(ErrorCode::kUnsupported,
                  "the server does not say what kind of file " + name + " is");
    }
    if (!file.attributes.is_regular()) continue;
    if (!file.attributes.size) {
      return fail(ErrorCode::kUnsupported, "the server does not say how large " + name + " is");
    }
    TRY(each({std::move(name), *file.attributes.size, timestamp(file.attributes)}));
  }
  return {};
}

Error with_account_hint(Error error) {
  if (error.code() != ErrorCode::kPermissionDenied) return error;
  return std::move(error).with_hint(
      "The account on the server needs to read, write and list this folder: look at who owns it, "
      "and at what the server lets the account do.");
}

std::unexpected<Error> cannot_create() {
  return std::unexpected(
      Error(ErrorCode::kUnsupported,
            "the server offers no hard links, and its renames replace what is there: two programs "
            "could take each other's objects away")
          .with_hint("OpenSSH's sftp-server is fit to write to. What is in the repository can be "
                     "read over this server, too."));
}

}  // namespace

// ---- opening

Result<std::unique_ptr<SftpBackend>> SftpBackend::open(SftpOptions options,
                                                       SessionPool::Connect connect, Rng& rng) {
  std::unique_ptr<SftpBackend> backend(
      new SftpBackend(std::move(options), std::move(connect), rng));
  TRY(backend->begin(OpenKind::kOpen));
  return backend;
}

Result<std::unique_ptr<SftpBackend>> SftpBackend::create(SftpOptions options,
                                                         SessionPool::Connect connect, Rng& rng) {
  std::unique_ptr<SftpBackend> backend(
      new SftpBackend(std::move(options), std::move(connect), rng));
  TRY(backend->begin(OpenKind::kCreate));
  return backend;
}

Result<void> SftpBackend::begin(OpenKind kind) {
  const SessionPool::Borrowed session = TRY(pool_.borrow());
  if (kind == OpenKind::kCreate) TRY(make_root(*session));
  const std::uint32_t looked = TRY(send_look_through(*session, options_.root));
  // Who may not list the root may still write to it.
  std::vector<Folder> folders{{.path = options_.root, .files = {}}};
  Result<void> listed = read_folders(*session, folders);
  if (session->is_broken()) return listed;
  const auto root = take_look(*session, looked, options_.root);
  const bool missing = !root && root.error().code() == ErrorCode::kNotFound;
  if (!root && !missing) return std::unexpected(with_account_hint(root.error().clone()));
  if (missing || !root->is_folder()) {
    return std::unexpected(
        Error(ErrorCode::kNotFound, fmt::format("there is no folder {}", options_.place))
            .with_hint("Check the path as the login sees it (an account may be shut up in a folder "
                       "that is its /), or create a repository there with backstay init."));
  }
  return look_around(*session, folders[0].files);
}

// Whatever goes wrong is found by who opens the folder.
Result<void> SftpBackend::make_root(Client& client) {
  std::vector<std::string> folders;
  for (std::size_t slash = 0; slash != std::string::npos;) {
    slash = options_.root.find('/', slash + 1);
    folders.push_back(options_.root.substr(0, slash));
  }
  return make_folders(client, folders);
}

Result<void> SftpBackend::look_around(Client& client, const std::vector<NamedFile>& files) {
  append_only_ = std::ranges::any_of(
      files, [](const NamedFile& file) { return file.name == kAppendOnlyMarker; });
  if (options_.leftovers == Leftovers::kStay) return {};
  return remove_leftovers(client, files);
}

// Nobody else would ever take them away. Failures are no matter: the store may be read-only.
Result<void> SftpBackend::remove_leftovers(Client& client, const std::vector<NamedFile>& files) {
  std::optional<std::int64_t> now;
  for (const NamedFile& file : files) {
    const bool ours = file.name.starts_with(io::kTemporaryPrefix) && file.attributes.is_regular();
    if (!ours || !file.attributes.modified_seconds) continue;
    if (!now) {
      const auto time = time_of_new_file(client, temporary_path());
      if (client.is_broken()) return std::unexpected(time.error().clone());
      if (!time) return {};
      now = *time;
    }
    if (*now - std::int64_t{*file.attributes.modified_seconds} <= kLeftoverAgeSeconds) continue;
    Result<void> removed = remove_file(client, options_.root + "/" + file.name);
    if (client.is_broken()) return removed;
  }
  return {};
}

Result<void> SftpBackend::check_is_free() {
  const SessionPool::Borrowed session = TRY(pool_.borrow());
  std::vector<Folder> root{{.path = options_.root, .files = {}}};
  if (const auto listed = read_folders(*session, root); !listed) return {};
  std::vector<std::string> names;
  std::ranges::transform(root[0].files, std::back_inserter(names), &NamedFile::name);
  return check_folder_is_free(options_.place, names);
}

// ---- writing

std::string SftpBackend::path_of(std::string_view name) const {
  return fmt::format("{}/{}", options_.root, name);
}

std::string SftpBackend::temporary_path() {
  std::array<std::uint8_t, 16> random{};
  rng_.fill(random);
  return fmt::format("{}/{}{}", options_.root, io::kTemporaryPrefix, to_hex(random));
}

// Never the root: where that is gone, a disk is not mounted.
Result<void> SftpBackend::make_folders_for(Client& client, std::string_view name) {
  std::vector<std::string> missing;
  for (std::size_t slash = name.find('/'); slash != std::string_view::npos;
       slash = name.find('/', slash + 1)) {
    const std::string_view folder = name.substr(0, slash);
    const MutexLock lock(mutex_);
    if (!known_folders_.contains(folder)) missing.push_back(path_of(folder));
  }
  if (missing.empty()) return {};
  // What is put has a name of its own in the root first, so nobody needs to wait for them.
  TRY(ask_for_folders(client, missing));
  const MutexLock lock(mutex_);
  for (const std::string& path : missing) {
    known_folders_.insert(path.substr(options_.root.size() + 1));
  }
  return {};
}

void SftpBackend::forget_folders() {
  const MutexLock lock(mutex_);
  known_folders_.clear();
}

// Whether a rename leaves alone what has the name already, tried with two files of ours.
Result<Naming> SftpBackend::probe_rename(Client& client) {
  const StreamedBytes nothing{.size = 0, .piece_at = {}};
  const std::string from = temporary_path();
  const std::string to = temporary_path();
  TRY(write_new_file(client, from, nothing));
  TRY(write_new_file(client, to, nothing));
  const Answer answer = TRY(give_name(client, from, to, Naming::kRename));
  TRY(remove_file(client, from));
  TRY(remove_file(client, to));
  if (answer.is(StatusCode::kOk)) return cannot_create();
  return Naming::kRename;
}

Result<Naming> SftpBackend::naming(Client& client) {
  {
    const MutexLock lock(mutex_);
    if (naming_) return *naming_;
  }
  const Naming found =
      client.offers("hardlink@openssh.com") ? Naming::kLink : TRY(probe_rename(client));
  const MutexLock lock(mutex_);
  naming_ = found;
  return found;
}

// False when it must be tried again with folders or another kind of naming.
Result<bool> SftpBackend::put_once(Client& client, std::string_view name,
                                   const StreamedBytes& bytes) {
  const Naming by = TRY(naming(client));
  TRY(make_folders_for(client, name));
  const std::string path = path_of(name);
  const auto refuse_taken = [&] {
    return fail(ErrorCode::kAlreadyExists, fmt::format("making {}: the name is taken", path));
  };
  // All the bytes must not be sent for nothing; and the answer costs no round trip of its own.
  Request look = client.request(Message::kLstat);
  const std::uint32_t looked = TRY(client.send(look.text(path)));
  const std::string temporary = temporary_path();
  const std::string handle = TRY(open_new_file(client, temporary));
  if (TRY(client.wait(looked)).reply.message == Message::kAttrs) {
    TRY(close_file(client, {.handle = handle, .size = 0}));
    TRY(remove_file(client, temporary));
    return refuse_taken();
  }
  TRY(fill_new_file(client, temporary, handle, bytes));
  const Answer named = TRY(give_name(client, temporary, path, by));
  if (named.is(StatusCode::kOk)) return true;
  if (by == Naming::kRename) TRY(remove_file(client, temporary));
  const auto there = look_at(client, path);
  if (there) return refuse_taken();
  if (there.error().retryable()) return std::unexpected(there.error().clone());
  if (named.is(StatusCode::kNoSuchFile)) return false;
  if (by == Naming::kLink && !named.is(StatusCode::kPermissionDenied)) {
    // Links are offered, and the file system has none.
    const Naming other = TRY(probe_rename(client));
    const MutexLock lock(mutex_);
    naming_ = other;
    return false;
  }
  return refused(named, "naming " + path);
}

Result<void> SftpBackend::put_streamed(std::string_view name, const StreamedBytes& bytes) {
  TRY(validate_name(name));
  const SessionPool::Borrowed session = TRY(pool_.borrow());
  constexpr int kAttempts = 3;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    Result<bool> done = put_once(*session, name, bytes);
    // Folders that were asked for may not be there when the line broke.
    if (!done || !*done) forget_folders();
    if (!done) return std::unexpected(with_account_hint(std::move(done).error()));
    if (*done) return {};
  }
  return fail(ErrorCode::kUnavailable,
              fmt::format("making {}: its folder comes and goes", path_of(name)));
}

Result<void> SftpBackend::put(std::string_view name, std::span<const ByteView> pieces) {
  return put_streamed(name, streamed(pieces));
}

Result<void> SftpBackend::adopt(std::string_view name) {
  TRY(validate_name(name));
  const SessionPool::Borrowed session = TRY(pool_.borrow());
  const OpenFile file = TRY(open_to_read(*session, path_of(name)));
  Result<void> synced = sync_file(*session, file);
  TRY(close_file(*session, file));
  return synced;
}

Result<void> SftpBackend::remove(std::string_view name) {
  TRY(validate_name(name));
  const SessionPool::Borrowed session = TRY(pool_.borrow());
  const std::string path = path_of(name);
  // A folder is no object, so there is nothing of that name.
  if (!may_go_from_append_only(name)) {
    const auto found = look_at(*session, path);
    if (!found && found.error().code() == ErrorCode::kNotFound) return {};
    if (!found) return std::unexpected(found.error().clone());
    if (found->is_folder()) return {};
    if (TRY(is_append_only(*session))) return refuse_append_only(options_.place, name);
  }
  Result<void> removed = remove_unless_folder(*session, path);
  ++removals_;
  if (!removed) return std::unexpected(with_account_hint(std::move(removed).error()));
  return {};
}

// ---- reading

Result<Bytes> SftpBackend::get(std::string_view name, std::uint64_t size_max) {
  TRY(validate_name(name));
  const SessionPool::Borrowed session = TRY(pool_.borrow());
  const std::string path = path_of(name);
  const OpenFile file = TRY(open_to_read(*session, path));
  if (file.size > size_max) {
    TRY(close_file(*session, file));
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format("reading {}: it has {} bytes, more than {}", path, file.size, size_max));
  }
  Bytes bytes(static_cast<std::size_t>(file.size));
  Result<std::size_t> got = read_at(*session, file, 0, bytes);
  if (!session->is_broken()) TRY(close_file(*session, file));
  bytes.resize(TRY_DOING("reading " + path, std::move(got)));
  return bytes;
}

Result<OpenFile> SftpBackend::open_kept(Client& client, const std::string& path) const {
  const std::uint64_t removals = removals_.load();
  KeptFiles& kept = client.kept;
  if (const auto found = std::ranges::find(kept, path, &Client::KeptFile::path);
      found != kept.end()) {
    if (found->removals == removals) {
      std::rotate(found, found + 1, kept.end());
      return OpenFile{.handle = kept.back().handle, .size = kept.back().size};
    }
    TRY(close_kept(client, found));
  }
  if (kept.size() == Client::kKeptFilesMax) TRY(close_kept(client, kept.begin()));
  OpenFile file = TRY(open_to_read(client, path));
  kept.push_back({.path = path, .handle = file.handle, .size = file.size, .removals = removals});
  return file;
}

Result<void> SftpBackend::get_range(std::string_view name, std::uint64_t offset,
                                    MutableByteView out) {
  TRY(validate_name(name));
  const std::string path = path_of(name);
  const SessionPool::Borrowed session = TRY(pool_.borrow(path));
  const OpenFile file = TRY(open_kept(*session, path));
  const bool inside = offset <= file.size && out.size() <= file.size - offset;
  Result<std::size_t> got = 0;
  if (inside) got = read_at(*session, file, offset, out);
  if (!got && !session->is_broken()) TRY(close_kept(*session, session->kept.end() - 1));
  const std::size_t read = TRY_DOING("reading " + path, std::move(got));
  if (inside && read == out.size()) return {};
  return fail(ErrorCode::kCorruption,
              fmt::format("reading {}: it ends at {}, before {} + {} bytes", path,
                          inside ? offset + read : file.size, offset, out.size()));
}

Result<ObjectInfo> SftpBackend::head(std::string_view name) {
  TRY(validate_name(name));
  const SessionPool::Borrowed session = TRY(pool_.borrow());
  const Attributes found = TRY(look_at(*session, path_of(name)));
  if (!found.is_regular()) {
    return fail(ErrorCode::kNotFound, path_of(name) + " is not a regular file");
  }
  return ObjectInfo{std::string(name), found.size.value_or(0), timestamp(found)};
}

// The connection is given back before anybody is told of what was found, because who is told may
// use the store.
Result<void> SftpBackend::list(std::string_view prefix,
                               const std::function<Result<void>(const ObjectInfo&)>& each) {
  TRY(validate_prefix(prefix));
  std::vector<std::string> waiting{std::string(prefix)};
  // A root that is gone is no empty store.
  for (Root root = Root::kIsLookedAt; !waiting.empty(); root = Root::kWasThere) {
    const std::size_t count = std::min(waiting.size(), kFoldersAtOnce);
    const std::vector<std::string> prefixes(waiting.end() - static_cast<std::ptrdiff_t>(count),
                                            waiting.end());
    waiting.resize(waiting.size() - count);
    const std::vector<Folder> folders = TRY(read_prefixes(prefixes, root));
    for (std::size_t i = 0; i < folders.size(); ++i) {
      TRY(tell_objects(prefixes[i], folders[i], waiting, each));
    }
  }
  return {};
}

Result<std::vector<Folder>> SftpBackend::read_prefixes(const std::vector<std::string>& prefixes,
                                                       Root root) {
  std::vector<Folder> folders;
  for (const std::string& prefix : prefixes) {
    std::string path = path_of(prefix);
    if (path.ends_with('/')) path.pop_back();
    folders.push_back({.path = std::move(path), .files = {}});
  }
  const SessionPool::Borrowed session = TRY(pool_.borrow());
  std::optional<std::uint32_t> looked;
  if (root == Root::kIsLookedAt) looked = TRY(send_look_through(*session, options_.root));
  Result<void> read = read_folders(*session, folders);
  if (session->is_broken()) return std::unexpected(std::move(read).error());
  if (looked) TRY(take_look(*session, *looked, options_.root));
  if (!read) return std::unexpected(with_account_hint(std::move(read).error()));
  return folders;
}

// ---- what the store says of itself

Result<bool> SftpBackend::is_append_only(Client& client) {
  const auto marker = look_at(client, path_of(kAppendOnlyMarker));
  if (!marker && marker.error().retryable()) return std::unexpected(marker.error().clone());
  append_only_ = marker.has_value() || marker.error().code() != ErrorCode::kNotFound;
  return append_only_.load();
}

Result<void> SftpBackend::set_append_only(AppendOnly mode) {
  const SessionPool::Borrowed session = TRY(pool_.borrow());
  const bool now = TRY(is_append_only(*session));
  if (now == (mode == AppendOnly::kOn)) return {};
  const std::string path = path_of(kAppendOnlyMarker);
  if (mode == AppendOnly::kOff) {
    TRY(remove_file(*session, path));
  } else {
    const ByteView text = as_bytes(kAppendOnlyText);
    TRY(write_new_file(*session, path, streamed({&text, 1})));
  }
  append_only_ = mode == AppendOnly::kOn;
  return {};
}

Result<Timestamp> SftpBackend::store_time() {
  const SessionPool::Borrowed session = TRY(pool_.borrow());
  const auto seconds = time_of_new_file(*session, temporary_path());
  if (seconds) return Timestamp{.seconds = *seconds, .nanos = 0};
  // Of a store that is only read nobody needs the age of leases to the second.
  if (seconds.error().code() == ErrorCode::kPermissionDenied) return SystemClock().now();
  return std::unexpected(seconds.error().clone());
}

Capabilities SftpBackend::capabilities() const {
  const MutexLock lock(mutex_);
  // Servers that rename look first, and rename then: between the two somebody else may be.
  return {.conditional_create = naming_ != Naming::kRename,
          .lists_at_once = true,
          .server_time = true,
          .over_network = true,
          .transfers_max = options_.connections_max,
          .append_only = append_only_};
}

}  // namespace backstay::backend::sftp
