// From the global options to an open repository.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "cli/command.h"
#include "engine/forget_fence.h"
#include "repo/config.h"
#include "repo/repository.h"
#include "snapshot/snapshot.h"

namespace backstay::cli {

// What --repo says; invalid_argument when it says nothing.
Result<std::string> repository_url(const Context& context);

// A store that holds a repository, and the repository's config, for what needs no key.
// no_repository where there is none.
struct OpenStore {
  std::unique_ptr<backend::Backend> backend;
  repo::Config config;
};
Result<OpenStore> open_store(const Context& context);
// The same, and nothing is believed: not even the config is decoded.
Result<std::unique_ptr<backend::Backend>> open_unread_store(const Context& context);

// The place that --repo says, whether there is a repository or not.
Result<std::unique_ptr<backend::Backend>> open_bare_store(const Context& context);

// The repository, opened with the passphrase or key that was given, or asked for up to three times
// on a terminal.
// What a command needs a key for. A write-only key is refused (wrong_key) where one must read.
enum class KeyUse : std::uint8_t { kReading, kWriting };
// Where another repository is at the place than this machine knew there, or its keys are others
// (known_repository.h): who stores something there is refused, the others are told.
enum class WhenChanged : std::uint8_t { kTell, kRefuse };
// What the options and the environment give. Nothing: they give none.
using GivenCredential = std::optional<repo::Credential>;
Result<GivenCredential> read_given_credential(const Context& context);
// `read_before`: what was read_given_credential() already, because a pipe gives it only once.
Result<std::unique_ptr<repo::Repository>> open_repository(
    const Context& context, KeyUse use = KeyUse::kReading,
    WhenChanged when_changed = WhenChanged::kTell, const GivenCredential* read_before = nullptr);
// Whether it is the one that this machine knows there; a failure for who would store something.
Result<void> refuse_changed(const Context& context, const repo::Repository& repository);
// From now on this is what is known to be at its place.
void know_from_now_on(const Context& context, const repo::Repository& repository);

// For a new repository or key slot: what was given, else a passphrase asked for twice.
Result<repo::Credential> new_credential(const Context& context);

// The folder that holds the caches of all repositories; empty with --no-cache or where no home is
// known.
[[nodiscard]] std::string cache_folder(const GlobalOptions& options,
                                       const Environment& environment);

// All readable snapshots, oldest first. Damaged ones are reported.
struct DamagedSnapshot {
  snapshot::SnapshotId id;
  std::string what;
};
struct SnapshotList {
  std::vector<repo::StoredSnapshot> snapshots;
  std::vector<DamagedSnapshot> damaged;
};
Result<SnapshotList> list_snapshots(const Context& context, repo::Repository& repository);

// Says which snapshots list_snapshots(), or a check, left out because they do not count.
void note_uncounted(const Context& context, const repo::Repository& repository);

// Loads the index; damaged runs are reported and counted.
Result<std::size_t> load_index(const Context& context, repo::Repository& repository);

// How commands wait that write about snapshots while others forget.
[[nodiscard]] engine::ForgetWait fence_wait(const Context& context);

}  // namespace backstay::cli
