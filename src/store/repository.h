// A repository as a store server has it open, and all of them below one folder.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "backend/local_backend.h"
#include "base/error.h"
#include "base/mutex.h"

namespace backstay::store {

struct RepositoryRules {
  bool append_only = false;       // beside what the folder's own marker says
  std::uint64_t quota_bytes = 0;  // of each repository; 0: none
};

// Thread-safe.
class Repository {
 public:
  Repository(std::string name, std::unique_ptr<backend::LocalBackend> backend,
             const RepositoryRules& rules)
      : name_(std::move(name)), backend_(std::move(backend)), rules_(rules) {}

  [[nodiscard]] const std::string& name() const { return name_; }
  // Its folder.
  [[nodiscard]] std::string root() const { return backend_->describe(); }
  [[nodiscard]] backend::LocalBackend& backend() { return *backend_; }
  [[nodiscard]] backend::Capabilities capabilities() const;
  [[nodiscard]] const RepositoryRules& rules() const { return rules_; }

  // Bytes that are on their way into it; they go with the object of this type unless stored().
  class Room {
   public:
    Room(Repository& repository, std::uint64_t size) : repository_(&repository), size_(size) {}
    ~Room();
    Room(Room&& other) noexcept
        : repository_(std::exchange(other.repository_, nullptr)), size_(other.size_) {}
    Room& operator=(Room&&) = delete;
    void stored();

   private:
    Repository* repository_;
    std::uint64_t size_;
  };
  // no_space when the quota would be passed.
  Result<Room> make_room(std::uint64_t size) EXCLUDES(mutex_);
  // Bytes in objects, counted once and kept in mind from then on.
  Result<std::uint64_t> used() EXCLUDES(mutex_);

  // The newest request that brings bytes of an upload owns it. Nobody else may write to its file,
  // which becomes the object.
  struct Upload {
    // Held over I/O, while the file is written to or becomes the object: who waits for it wants
    // that same file, and must not touch it meanwhile.
    Mutex mutex;
    std::atomic<std::uint64_t> turn = 0;
  };
  // Of that name, for as long as anybody has it.
  std::shared_ptr<Upload> upload(const std::string& name) EXCLUDES(mutex_);

  // LocalBackend::barrier(), which also covers what was done before this was opened.
  Result<void> barrier();

  // As the folder's own rules allow it; the caller heeds rules().append_only.
  Result<void> remove(std::string_view name) EXCLUDES(mutex_);

 private:
  Result<void> count() EXCLUDES(mutex_);

  const std::string name_;
  const std::unique_ptr<backend::LocalBackend> backend_;
  const RepositoryRules rules_;
  // Held over the first sync: no barrier of anybody may end before it.
  Mutex first_barrier_;
  bool settled_ GUARDED_BY(first_barrier_) = false;
  std::optional<Error> unsettled_ GUARDED_BY(first_barrier_);
  Mutex mutex_;
  bool counted_ GUARDED_BY(mutex_) = false;
  std::map<std::string, std::weak_ptr<Upload>> uploads_ GUARDED_BY(mutex_);
  std::uint64_t used_ GUARDED_BY(mutex_) = 0;  // what is on its way included
};

// Thread-safe.
class Repositories {
 public:
  Repositories(std::string folder, const RepositoryRules& rules)
      : folder_(std::move(folder)), rules_(rules) {}

  // no_repository where there is no folder of that name; invalid_argument for what is no name, or
  // lies within another repository.
  Result<std::shared_ptr<Repository>> open(std::string_view name) EXCLUDES(mutex_);
  // Makes the folder where it is missing.
  Result<std::shared_ptr<Repository>> create(std::string_view name);

 private:
  enum class Making : std::uint8_t { kNo, kYes };
  Result<std::shared_ptr<Repository>> find(std::string_view name, Making making) EXCLUDES(mutex_);
  Result<void> check_stands_alone(std::string_view name) EXCLUDES(mutex_);
  Result<void> check_holds_none(std::string_view name) const;
  [[nodiscard]] bool has_config(std::string_view name) const;

  const std::string folder_;
  const RepositoryRules rules_;
  Mutex mutex_;
  std::map<std::string, std::shared_ptr<Repository>, std::less<>> open_ GUARDED_BY(mutex_);
};

}  // namespace backstay::store
