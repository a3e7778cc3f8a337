// libbackstay: backups from a program of yours.
//
//   backstay::Access access{.url = "/srv/backup", .passphrase = passphrase};
//   auto repository = backstay::Repository::open(access);
//   if (!repository) return tell(repository.error().describe(), repository.error().hint());
//   auto made = repository->back_up({.paths = {"/home"}});
//
// Nothing throws: what can fail returns a Result, which holds the value or an Error with a code for
// the program and words for a person. What is here is what the command does, on the same formats
// and with the same guarantees; a repository may be used by both at once.
//
// Threads: a Repository and its views are used by one thread at a time. Callbacks may come from
// other threads, also several at once where that is said, and must not throw or call back.
//
// Writing to a connection that the other side closed raises SIGPIPE: a program that uses stores in
// the network ignores that signal.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace backstay {

// How a repository is reached and opened.
struct Access {
  // As --repo of the command: "/srv/backup", "s3://BUCKET/PREFIX?endpoint=URL", "sftp://...".
  std::string url = {};
  std::string passphrase = {};  // empty: the repository is not encrypted
  // A folder for caches of repositories, which may be shared with the command. Empty: none, and
  // what is read often from a distant store is read again.
  std::string cache_directory = {};
  // Credentials of stores, by the names of environment variables. Empty: the environment itself.
  std::function<std::optional<std::string>(std::string_view name)> variable = {};
  // What happens on the way and is no failure: one sentence each. From any thread; may be empty.
  std::function<void(const std::string& message)> note = {};
  // Once it is asked to stop, all that goes on in the repository ends with `cancelled`, and the
  // repository is of no more use.
  std::stop_token stop = {};
};

enum class Encryption : std::uint8_t { kFasterHere, kAes256Gcm, kChaCha20Poly1305, kNone };

// Of a repository that is made. Its passphrase stands in Access; kNone takes none.
struct NewRepository {
  Encryption encryption = Encryption::kFasterHere;
  std::string compression = "auto";  // "off", "auto", "-7" to "22"
};

struct Progress {
  std::uint64_t files_done = 0;
  std::uint64_t files_total = 0;  // 0 while it is not known
  std::uint64_t bytes_done = 0;
  std::uint64_t bytes_total = 0;  // 0 while it is not known
  std::uint64_t bytes_stored = 0;
  std::uint64_t errors = 0;
  std::string current = {};  // path
};

// Who looks on while something long is done. Either may be empty.
struct Watch {
  // Trouble with one file or object; the work goes on. From several threads at once.
  std::function<void(const std::string& path, const Error& error)> trouble = {};
  // Five times a second, and once at the end. From one thread at a time, but not yours.
  std::function<void(const Progress& progress)> progress = {};
};

// A moment; nanos is 0 to 999,999,999, also before 1970.
struct Moment {
  std::int64_t seconds = 0;  // since 1970-01-01 UTC
  std::uint32_t nanos = 0;
  friend auto operator<=>(const Moment&, const Moment&) = default;
};

struct Snapshot {
  std::string id = {};  // 64 hexadecimal digits
  Moment started = {};
  Moment finished = {};
  std::string host = {};
  std::string user = {};
  std::vector<std::string> paths = {};  // absolute and sorted
  std::vector<std::string> tags = {};
  std::string description = {};
  std::string backup_type = {};            // "full", "incremental" or "differential"
  std::optional<std::string> parent = {};  // what it was compared with
  bool complete = true;                    // false: something of the source could not be read
  std::uint64_t files_total = 0;           // everything that is no folder
  std::uint64_t dirs_total = 0;
  std::uint64_t bytes_total = 0;   // sizes of regular files
  std::uint64_t bytes_added = 0;   // of them, what the repository did not have
  std::uint64_t bytes_stored = 0;  // what the repository grew by
  std::uint64_t errors = 0;
};

enum class FileType : std::uint8_t {
  kFile,
  kDirectory,
  kSymlink,
  kFifo,
  kSocket,
  kCharDevice,
  kBlockDevice,
};

struct FileEntry {
  std::string path = {};  // absolute; bytes as the file system had them
  FileType type = FileType::kFile;
  std::uint32_t mode = 0;  // the twelve low bits: permissions, set-id, sticky
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::string user = {};  // empty where the snapshot has no name for it
  std::string group = {};
  Moment modified = {};
  std::uint64_t size = 0;  // bytes; regular files only
  std::uint64_t inode = 0;
  std::uint64_t links = 1;
  std::string symlink_target = {};
};

enum class BackupKind : std::uint8_t { kIncremental, kFull, kDifferential };

struct BackupRequest {
  std::vector<std::string> paths = {};  // those that are not absolute count from the current folder
  BackupKind kind = BackupKind::kIncremental;
  std::vector<std::string> excludes = {};  // patterns as --exclude of the command has them
  std::vector<std::string> tags = {};
  std::string host = {};  // empty: this machine's name
  std::string description = {};
  bool one_file_system = false;
  bool exclude_caches = false;     // of folders with a CACHEDIR.TAG only the tag
  bool skip_if_unchanged = false;  // then no snapshot is made where nothing changed
  std::size_t threads = 0;         // 0: one a processor
  std::uint64_t memory_limit = 0;  // bytes; 0: about 120 MiB
};

struct BackupResult {
  std::optional<Snapshot> snapshot = {};  // nothing: skipped, because nothing changed
  std::uint64_t files_new = 0;
  std::uint64_t files_changed = 0;
  std::uint64_t files_unmodified = 0;
  std::uint64_t files_deleted = 0;
  std::uint64_t bytes_read = 0;
  std::uint64_t errors = 0;  // files that could not be read; each was told to Watch::trouble
};

enum class Existing : std::uint8_t {
  kReplaceDifferent,  // compared block by block; what differs is replaced
  kReplaceChanged,    // what has the same size and time is left alone
  kReplaceOlder,      // only what the snapshot has newer is replaced
  kLeave,             // left alone
};

// A restore from here keeps no safety snapshot: that is for the command.
struct RestoreRequest {
  std::string target = {};  // folder; made where it is missing
  // Empty: absolute paths are laid out below `target`. Else the content of this folder, or this one
  // file, goes straight into it.
  std::string subpath = {};
  std::vector<std::string> includes = {};  // patterns; empty: everything
  std::vector<std::string> excludes = {};
  Existing existing = Existing::kReplaceDifferent;
  bool delete_extra = false;  // what is in restored folders and not in the snapshot goes
  bool ownership = true;
  bool verify = false;  // read everything back and compare
  std::size_t threads = 0;
  std::uint64_t memory_limit = 0;
};

struct RestoreResult {
  std::uint64_t files_restored = 0;
  std::uint64_t files_unchanged = 0;
  std::uint64_t files_deleted = 0;
  std::uint64_t dirs_restored = 0;
  std::uint64_t bytes_written = 0;
  std::uint64_t errors = 0;  // each was told to Watch::trouble
};

struct CheckResult {
  struct Damage {
    std::string object;
    std::string what;
    std::string next;  // what to do about it
  };
  std::uint64_t snapshots = 0;
  std::uint64_t packs = 0;
  std::uint64_t bytes_read = 0;
  std::vector<Damage> damages = {};  // none: everything is there and whole
};
enum class CheckDepth : std::uint8_t {
  kStructure,  // everything that something refers to is there, with the right size
  kEveryByte,
};

struct PruneResult {
  std::uint64_t bytes_freed = 0;
  std::uint64_t bytes_waiting = 0;  // that go when what runs now has ended
};

// One snapshot, ready to be looked at. It must not outlive its repository.
class View {
 public:
  View(View&&) noexcept;
  View& operator=(View&&) noexcept;
  ~View();

  [[nodiscard]] const Snapshot& snapshot() const;
  // Nothing where the snapshot has no such path.
  Result<std::optional<FileEntry>> find(std::string_view path);
  // What is directly in a folder, or below it, in the order of the paths' components. A failure of
  // `each` ends it and is returned. Reads what it needs, whatever the size of the snapshot.
  using EachEntry = std::function<Result<void>(const FileEntry& entry)>;
  Result<void> list(std::string_view folder, const EachEntry& each);
  Result<void> walk(std::string_view folder, const EachEntry& each);
  // The bytes of a file, in order and in pieces.
  using Sink = std::function<Result<void>(std::span<const std::uint8_t> bytes)>;
  Result<void> read(std::string_view path, const Sink& sink);
  Result<RestoreResult> restore(const RestoreRequest& request, const Watch& watch = {});

  struct State;  // of the library alone

 private:
  friend class Repository;
  explicit View(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

class Repository {
 public:
  // already_exists where there is one; nothing is changed then.
  static Result<Repository> init(const Access& access, const NewRepository& wanted = {});
  // no_repository, wrong_key, unavailable, ...
  static Result<Repository> open(const Access& access);
  Repository(Repository&&) noexcept;
  Repository& operator=(Repository&&) noexcept;
  ~Repository();

  // Durable when it returns. Fails and makes nothing where nothing at all could be read; files that
  // fail are counted and told, and make the snapshot incomplete.
  Result<BackupResult> back_up(const BackupRequest& request, const Watch& watch = {});
  // Oldest first.
  Result<std::vector<Snapshot>> snapshots();
  // "latest", "latest~2", "@2026-11-21 10:30", or an id, or 8 or more digits of it.
  Result<View> view(std::string_view which);
  // Removes snapshots by their ids; their space is given back by prune(). permission_denied, and
  // nothing is removed, where one is held.
  Result<void> forget(const std::vector<std::string>& ids);
  Result<PruneResult> prune(const Watch& watch = {});
  // Damage is in the result; a failure means that the check could not be done.
  Result<CheckResult> check(CheckDepth depth = CheckDepth::kStructure, const Watch& watch = {});

  struct State;  // of the library alone

 private:
  explicit Repository(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// "0.1.0"
[[nodiscard]] std::string_view library_version();

}  // namespace backstay
