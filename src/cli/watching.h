// Continuous protection: waits for changes, and makes a small snapshot whenever they have settled.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/session.h"
#include "cli/source_paths.h"
#include "engine/backup.h"
#include "policy/retention.h"
#include "source/file_source.h"
#include "watch/settling.h"
#include "watch/watcher.h"

namespace backstay::cli {

// The tag of all snapshots made here: thinning touches no others.
inline constexpr const char* kContinuousTag = "continuous";

struct WatchArguments {
  std::vector<std::string> paths;
  std::vector<std::string> tags;
  Patterns excludes;
  source::FileSourceOptions source;
  engine::BackupOptions engine;
  watch::Rest rest;
  watch::Method method = watch::Method::kAuto;
  std::chrono::seconds compare_every{std::chrono::hours(1)};
  std::chrono::seconds thin_every{std::chrono::minutes(10)};
  policy::Retention keep;  // empty: the usual spans
  bool no_thinning = false;
};

// What was done so far.
struct WatchTotals {
  std::uint64_t snapshots = 0;
  std::uint64_t compares = 0;   // of everything
  std::uint64_t failures = 0;   // attempts that stored nothing
  std::uint64_t forgotten = 0;  // snapshots
};

class Watching {
 public:
  using Moment = std::chrono::steady_clock::time_point;

  // The repository, and what opens it again after it was away: nothing where a person was asked.
  struct Opened {
    // As the command's, but deaf to who asks to stop: a snapshot that was begun is finished.
    Context context;
    GivenCredential given;
    std::unique_ptr<repo::Repository> repository;
  };
  static Result<Opened> open(const Context& context);

  Watching(Context& context, const WatchArguments& arguments, Opened opened);
  ~Watching();

  // Until a stop is asked for; what has changed by then is captured. A failure of the first
  // snapshot ends it, later ones are tried again as long as that may help.
  Result<void> run();
  [[nodiscard]] const WatchTotals& totals() const { return totals_; }

 private:
  Result<void> begin();
  Result<void> wait_for_changes();
  void take_what_is_there();
  Result<void> capture_or_try_later();
  Result<engine::BackupReport> capture(Context& context);
  Result<void> capture_last();
  Result<void> open_again();
  void thin();
  [[nodiscard]] bool is_stopping() const { return context_.stop.stop_requested(); }
  [[nodiscard]] Moment now() const { return context_.clock.monotonic(); }

  Context& context_;
  Context own_;
  const WatchArguments& arguments_;
  source::FileSourceOptions source_;
  engine::BackupOptions options_;
  policy::Retention keep_;
  std::unique_ptr<repo::Repository> repository_;
  const GivenCredential given_;
  std::unique_ptr<watch::Watcher> watcher_;
  watch::ChangeSet pending_;
  watch::Settling settling_;
  Moment next_compare_;
  Moment next_thinning_;
  std::chrono::seconds retry_after_{0};  // 0: the last attempt went well
  bool thins_ = true;
  WatchTotals totals_;
};

}  // namespace backstay::cli
