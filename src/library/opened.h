// What stands behind the public classes, and how it is said to them.
#pragma once

#include <memory>
#include <string>
#include <thread>

#include "base/clock.h"
#include "crypto/random.h"
#include "engine/activity.h"
#include "library/backstay.h"
#include "repo/repository.h"

namespace backstay {

// In one place in memory for as long as the repository is open: the store refers to it.
struct Repository::State {
  Access access;
  SystemClock clock;
  crypto::SystemRng rng;
  std::unique_ptr<repo::Repository> repository;

  void say(const std::string& message) const {
    if (access.note) access.note(message);
  }
};

struct View::State {
  Repository::State& opened;
  repo::StoredSnapshot stored;
  Snapshot told;
};

namespace library {

[[nodiscard]] Snapshot told_snapshot(const repo::StoredSnapshot& stored);
[[nodiscard]] FileEntry told_entry(std::string path, const snapshot::Entry& entry,
                                   const snapshot::Snapshot& of);

// Oldest first; those that are damaged are told to the note of Access.
Result<std::vector<repo::StoredSnapshot>> snapshots_of(const Access& access,
                                                       repo::Repository& repository);

// Folders that belong to the repository and its cache: never backed up, never restored into.
[[nodiscard]] std::vector<std::string> own_folders(const Access& access,
                                                   const repo::Repository& repository);

// An operation that somebody looks on at. Lives as long as the operation.
class Watched {
 public:
  Watched(const Access& access, const Watch& watch);
  // Tells the progress a last time.
  ~Watched();
  Watched(const Watched&) = delete;
  Watched& operator=(const Watched&) = delete;

  [[nodiscard]] engine::Activity& activity() { return activity_; }

 private:
  void tell() const;
  void keep_telling(const std::stop_token& stop);

  const Watch& watch_;
  engine::Progress progress_;
  engine::Activity activity_;
  std::jthread teller_;
};

}  // namespace library
}  // namespace backstay
