#include "cli/watching.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/try.h"
#include "cli/console.h"
#include "cli/place_set.h"
#include "cli/restore_journals.h"
#include "cli/running.h"
#include "cli/watching_output.h"
#include "engine/forget.h"
#include "io/machine.h"
#include "io/readiness.h"
#include "snapshot/tree_key.h"

namespace backstay::cli {
namespace {

using std::chrono::seconds;

// Events that come one by one are read some at a time: that many a second at most.
constexpr std::chrono::milliseconds kGather{100};
constexpr seconds kRetryFirst{1};
constexpr seconds kRetryMax{60};
// Where some folders cannot be watched, their changes are found no later than this.
constexpr seconds kCompareBlind{60};

// All of the last hour, one an hour of a day, one a day of a month.
policy::Retention usual_spans() {
  policy::Retention keep;
  keep.within = policy::Period{.hours = 1};
  keep.within_each[static_cast<std::size_t>(policy::Calendar::kHourly)] = policy::Period{.days = 1};
  keep.within_each[static_cast<std::size_t>(policy::Calendar::kDaily)] =
      policy::Period{.months = 1};
  return keep;
}

// What another attempt cannot mend.
bool is_final(const Error& error) {
  switch (error.code()) {
    case ErrorCode::kCancelled:
    case ErrorCode::kWrongKey:
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kUnsupported:
    case ErrorCode::kCorruption:
    case ErrorCode::kInternal:
      return true;
    default:
      return false;
  }
}

}  // namespace

Result<Watching::Opened> Watching::open(const Context& context) {
  Opened opened{.context = context, .given = {}, .repository = nullptr};
  opened.context.stop = std::stop_source();
  opened.given = TRY(read_given_credential(context));
  opened.repository =
      TRY(open_repository(opened.context, KeyUse::kWriting, WhenChanged::kRefuse, &opened.given));
  return opened;
}

Watching::Watching(Context& context, const WatchArguments& arguments, Opened opened)
    : context_(context),
      own_(std::move(opened.context)),
      arguments_(arguments),
      source_(arguments.source),
      options_(arguments.engine),
      keep_(arguments.keep.empty() ? usual_spans() : arguments.keep),
      repository_(std::move(opened.repository)),
      given_(std::move(opened.given)),
      settling_(arguments.rest),
      thins_(!arguments.no_thinning) {}

Watching::~Watching() = default;

Result<void> Watching::begin() {
  const std::string current = TRY(io::current_directory());
  source_.paths = arguments_.paths;
  source_.excludes = arguments_.excludes.filter;
  source_.never = kept_folders(context_, *repository_);
  for (std::string& place : source_.never) {
    place = snapshot::clean_path(place, current);
    options_.places_left_out.push_back(place);
  }
  options_.paths = source_.paths;
  options_.excludes = arguments_.excludes.texts;
  options_.exclude_larger_than = source_.exclude_larger_than;
  options_.tags = arguments_.tags;
  options_.tags.emplace_back(kContinuousTag);
  if (options_.host.empty()) options_.host = io::hostname();
  options_.user = io::user_name();
  options_.skip_if_unchanged = true;
  options_.vanishing = engine::Vanishing::kIsNormal;
  options_.threads = context_.options.threads;
  options_.memory_limit = context_.options.memory_limit;

  watch::WatchOptions watched{.paths = source_.paths, .method = arguments_.method};
  watched.leaves_out = [this](const std::string& path) {
    return source_.excludes.matches(path) ||
           std::ranges::find(source_.never, path) != source_.never.end();
  };
  watched.note = [this](const std::string& message, const std::string& hint) {
    context_.console.warning(message, hint);
  };
  // Before the first comparison, so that nothing falls between the two.
  watcher_ = TRY(watch::open_watcher(std::move(watched)));
  tell_watching(context_, *watcher_);
  pending_.lose_track("this is the first snapshot of this run");
  settling_.changed(now());
  next_thinning_ = now();
  return {};
}

Result<void> Watching::run() {
  TRY(begin());
  // The first may take hours and can be stopped: what it stored until then is not lost.
  TRY(capture(context_));
  thin();
  while (!is_stopping()) {
    TRY(wait_for_changes());
    if (now() >= next_compare_) {
      pending_.lose_track("it is time to compare everything");
      settling_.changed(now() - arguments_.rest.interval_max);
      next_compare_ = Moment::max();
    }
    if (is_stopping()) break;
    if (now() >= settling_.due()) TRY(capture_or_try_later());
    if (now() >= next_thinning_ && !is_stopping()) thin();
  }
  return capture_last();
}

Result<void> Watching::wait_for_changes() {
  const std::stop_token stop = context_.stop.get_token();
  const Moment until = std::min({settling_.due(), next_compare_, next_thinning_});
  watch::ChangeSet found;
  const Result<void> waited = watcher_->wait(found, stop, until);
  if (!waited && waited.error().code() != ErrorCode::kCancelled)
    return std::unexpected(waited.error().clone());
  if (found.empty()) return {};
  if (!watcher_->sees_everything())
    next_compare_ =
        std::min(next_compare_, now() + std::min(kCompareBlind, arguments_.compare_every));
  settling_.changed(now());
  pending_.merge(std::move(found));
  // Cut short by a stop, which the caller sees.
  static_cast<void>(io::wait_readable_of(-1, -1, stop, std::min(now() + kGather, until)));
  return {};
}

void Watching::take_what_is_there() {
  watch::ChangeSet found;
  // What cannot be read of the events is found by comparing.
  if (!watcher_->wait(found, {}, now())) found.lose_track("the watch failed");
  if (found.empty()) return;
  settling_.changed(now());
  pending_.merge(std::move(found));
}

Result<engine::BackupReport> Watching::capture(Context& context) {
  take_what_is_there();
  watch::ChangeSet taken = std::exchange(pending_, {});
  const Moment first_change = settling_.first_change().value_or(now());
  settling_.captured();
  if (taken.anything()) {
    if (auto renewed = watcher_->renew(); !renewed)
      context_.console.warning(renewed.error().describe(), renewed.error().hint());
  }
  Running running(context);
  auto report = engine::backup(
      *repository_,
      [this](source::SourceHooks hooks) {
        return source::open_file_source(source_, std::move(hooks.report));
      },
      options_, running.activity());
  running.finish();
  if (!report) {
    // Nothing is lost: it is captured by the next attempt.
    settling_.changed(first_change);
    pending_.merge(std::move(taken));
    return std::unexpected(std::move(report).error());
  }
  if (taken.anything()) {
    ++totals_.compares;
    const bool blind = !watcher_->sees_everything();
    next_compare_ = now() + (blind ? std::min(kCompareBlind, arguments_.compare_every)
                                   : arguments_.compare_every);
  }
  if (report->id) ++totals_.snapshots;
  tell_captured(context_, {.report = *report,
                           .compared = taken.anything(),
                           .why = taken.why(),
                           .seconds = running.seconds(),
                           .seconds_to_durable =
                               std::chrono::duration<double>(now() - first_change).count()});
  return report;
}

Result<void> Watching::capture_or_try_later() {
  const Result<void> opened = retry_after_.count() > 0 ? open_again() : Result<void>();
  const auto report = opened ? capture(own_) : std::unexpected(opened.error().clone());
  if (report) {
    if (retry_after_.count() > 0) context_.console.note("the repository can be used again");
    retry_after_ = seconds(0);
    return {};
  }
  if (is_final(report.error())) return std::unexpected(report.error().clone());
  const bool first = retry_after_.count() == 0;
  retry_after_ = first ? kRetryFirst : std::min(retry_after_ * 2, kRetryMax);
  settling_.hold_until(now() + retry_after_);
  ++totals_.failures;
  tell_failed(context_, report.error(), {.first = first, .again_in = retry_after_});
  return {};
}

// What an attempt that failed half-way left in memory is not built upon.
Result<void> Watching::open_again() {
  if (!given_) return {};
  auto opened = TRY(open_repository(own_, KeyUse::kWriting, WhenChanged::kRefuse, &given_));
  repository_ = std::move(opened);
  return {};
}

// Nobody tries again after it.
Result<void> Watching::capture_last() {
  take_what_is_there();
  if (pending_.empty()) return {};
  if (retry_after_.count() > 0) TRY_DOING("storing the last changes", open_again());
  TRY_DOING("storing the last changes", capture(own_));
  return {};
}

void Watching::thin() {
  next_thinning_ = thins_ ? now() + arguments_.thin_every : Moment::max();
  if (!thins_) return;
  engine::ForgetOptions options;
  options.retention = keep_;
  options.host = options_.host;
  options.user = options_.user;
  std::vector<std::string> paths = options_.paths;
  options.selects = [&](const repo::StoredSnapshot& stored) {
    const auto& tags = stored.snapshot.tags;
    return stored.snapshot.host == options_.host && stored.snapshot.paths == paths &&
           std::ranges::find(tags, kContinuousTag) != tags.end();
  };
  Running running(own_);
  const auto report = engine::forget(*repository_, options, {}, running.activity());
  running.finish();
  if (report) {
    totals_.forgotten += report->removed;
    if (report->removed > 0) tell_thinned(context_, report->removed);
    return;
  }
  const bool final =
      is_final(report.error()) || report.error().code() == ErrorCode::kPermissionDenied;
  if (!final) return context_.console.detail("thinning: " + report.error().describe());
  thins_ = false;
  next_thinning_ = Moment::max();
  context_.console.warning(
      "older snapshots of this kind are not thinned out: " + report.error().describe(),
      "Use 'backstay forget --tag continuous' from where snapshots may be forgotten.");
}

}  // namespace backstay::cli
