// What 'backstay watch' says.
#pragma once

#include <chrono>
#include <string>

#include "cli/command.h"
#include "cli/watching.h"
#include "engine/backup.h"
#include "watch/watcher.h"

namespace backstay::cli {

struct Captured {
  const engine::BackupReport& report;
  bool compared = false;          // everything, and not only what the kernel told
  std::string why;                // it was compared
  double seconds = 0;             // that the snapshot took
  double seconds_to_durable = 0;  // from the first change
};
struct TryAgain {
  bool first = false;
  std::chrono::seconds again_in{0};
};

void tell_watching(const Context& context, const watch::Watcher& watcher);
void tell_captured(const Context& context, const Captured& captured);
void tell_failed(const Context& context, const Error& error, const TryAgain& next);
void tell_thinned(const Context& context, std::uint64_t removed);
void tell_watched(const Context& context, const WatchTotals& totals, double seconds);

}  // namespace backstay::cli
