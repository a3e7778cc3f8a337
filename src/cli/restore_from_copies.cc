#include "cli/restore_from_copies.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "base/try.h"
#include "cli/console.h"
#include "cli/global_options.h"
#include "cli/output_text.h"
#include "cli/place_set.h"
#include "cli/session.h"
#include "engine/copy.h"
#include "json/json.h"

namespace backstay::cli {
namespace {

using policy::Place;

// Or what looks like it: the rest is trouble with the target.
bool is_damage(const Error& error) {
  return error.code() == ErrorCode::kCorruption || error.code() == ErrorCode::kNotFound ||
         error.code() == ErrorCode::kUnavailable;
}

// More are for programs: --json names all.
constexpr std::size_t kNamedMax = 20;

class FromCopies {
 public:
  FromCopies(Context& context, const RestoredInPart& done, Running& running,
             engine::RestoreReport& report)
      : context_(context),
        in_set_(*context.in_set),
        done_(done),
        running_(running),
        report_(report),
        origin_(engine::origin_of(done.primary.config().id, done.stored)),
        left_(done.watch.paths()),
        stretches_(report.stretches_lost) {
    damages_ = done.watch.count();
  }

  Result<std::uint64_t> run() {
    for (const Place& copy : in_set_.set.copies) {
      if (is_done()) break;
      const Result<void> restored = restore_from(copy);
      if (restored) continue;
      if (restored.error().code() == ErrorCode::kCancelled)
        return std::unexpected(restored.error().clone());
      context_.console.warning(
          fmt::format("the copy {} cannot help: {}", copy.name, restored.error().describe()),
          restored.error().hint());
    }
    return came_;
  }

 private:
  [[nodiscard]] bool is_done() const { return left_.empty() && stretches_ == 0; }

  Result<repo::StoredSnapshot> find_copy(repo::Repository& repository) const {
    for (repo::StoredSnapshot& one : TRY(repository.snapshots([](const auto&, const Error&) {}))) {
      if (engine::origin_of(repository.config().id, one) == origin_) return std::move(one);
    }
    return fail(ErrorCode::kNotFound,
                fmt::format("it has no copy of snapshot {}", done_.stored.id.short_hex()));
  }

  Result<void> restore_from(const Place& place) {
    PlaceContext there(in_set_, place);
    const auto repository = TRY(open_repository(there.context()));
    const repo::StoredSnapshot copy = TRY(find_copy(*repository));
    TRY(load_index(there.context(), *repository));
    engine::RestoreOptions options = done_.options;
    options.id = copy.id;
    // Where nothing stood in the way, all that stands there now was made by this restore.
    if (!done_.kept) options.keeper = nullptr;
    // A lost part of the tree may have held anything, also what --delete must leave alone.
    if (stretches_ == 0) {
      options.only = left_;
      options.delete_extra = false;
    }
    DamageWatch watch(running_.activity());
    const engine::RestoreReport again =
        TRY(engine::restore(*repository, copy.snapshot, options, watch.activity()));
    take_over(place, again, watch);
    return {};
  }

  void take_over(const Place& place, const engine::RestoreReport& again, const DamageWatch& watch) {
    std::set<std::string> damaged = watch.paths();
    std::vector<std::string> came;
    for (const std::string& path : left_) {
      if (!watch.heard_of(path)) came.push_back(path);
    }
    came_ += came.size();
    tell(place, came);
    report_.errors = report_.errors - std::min(report_.errors, damages_) + again.errors;
    const std::uint64_t retried = stretches_ > 0
                                      ? report_.files_failed
                                      : std::min(report_.files_failed, std::uint64_t{left_.size()});
    report_.files_failed = report_.files_failed - retried + again.files_failed;
    report_.files_restored += again.files_restored;
    report_.files_deleted += again.files_deleted;
    report_.dirs_deleted += again.dirs_deleted;
    report_.bytes_written += again.bytes_written;
    report_.bytes_verified += again.bytes_verified;
    report_.attributes_not_set += again.attributes_not_set;
    if (stretches_ > 0) report_.bytes_total = again.bytes_total;
    report_.stretches_lost = stretches_ = again.stretches_lost;
    damages_ = watch.count();
    left_ = std::move(damaged);
  }

  void tell(const Place& place, const std::vector<std::string>& came) {
    Console& console = context_.console;
    for (std::size_t i = 0; i < std::min(came.size(), kNamedMax); ++i)
      console.note(fmt::format("restored from {}: {}", place.name, came[i]));
    if (came.size() > kNamedMax)
      console.note(
          fmt::format("and {} more from {}", counted(came.size() - kNamedMax, "path"), place.name));
    if (!console.json()) return;
    for (const std::string& path : came) {
      json::Json line = json::line_of("from_copy");
      json::put_text(line, "path", path);
      line["place"] = place.name;
      console.print_json(line);
    }
  }

  Context& context_;
  const InSet& in_set_;
  const RestoredInPart& done_;
  Running& running_;
  engine::RestoreReport& report_;
  const std::string origin_;
  std::set<std::string> left_;
  std::uint64_t stretches_;
  std::uint64_t damages_ = 0;
  std::uint64_t came_ = 0;
};

}  // namespace

DamageWatch::DamageWatch(const engine::Activity& inner)
    : activity_{.progress = inner.progress,
                .stop = inner.stop,
                .report =
                    [this, tell = inner.report](const std::string& path, const Error& error) {
                      tell(path, error);
                      const MutexLock lock(mutex_);
                      troubled_.insert(path);
                      if (!is_damage(error)) return;
                      paths_.insert(path);
                      ++count_;
                    },
                .note = inner.note} {}

std::set<std::string> DamageWatch::paths() const {
  const MutexLock lock(mutex_);
  return paths_;
}

bool DamageWatch::heard_of(const std::string& path) const {
  const MutexLock lock(mutex_);
  for (std::size_t end = path.size(); end != std::string::npos && end > 0;
       end = path.rfind('/', end - 1)) {
    if (troubled_.contains(path.substr(0, end))) return true;
  }
  return false;
}

std::uint64_t DamageWatch::count() const {
  const MutexLock lock(mutex_);
  return count_;
}

Result<std::uint64_t> restore_from_copies(Context& context, const RestoredInPart& done,
                                          Running& running, engine::RestoreReport& report) {
  if (done.watch.count() == 0) return 0;
  if (report.stretches_lost > 0 && done.kept) {
    context.console.warning(
        "a part of the snapshot's list of files is lost here, so that a way back could not be kept "
        "for what copies would add: nothing was taken from them",
        "Restore from a copy alone: --repo set:FILE#NAME.");
    return 0;
  }
  const std::uint64_t came = TRY(FromCopies(context, done, running, report).run());
  context.console.warning(
      fmt::format("{} is damaged: {} of {} came from copies", context.in_set->place.name, came,
                  counted(done.watch.paths().size(), "path")),
      "Look at its disk, then run 'backstay check' and 'backstay repair' there (docs/repair.md).");
  return came;
}

}  // namespace backstay::cli
