#include "cli/restore_journals.h"

#include <fmt/format.h>

#include <utility>

#include "backend/placement.h"
#include "cli/console.h"
#include "cli/output_json.h"
#include "cli/place_set.h"
#include "cli/session.h"
#include "io/machine.h"
#include "json/json.h"

namespace backstay::cli {

std::string state_folder(const Environment& environment) {
  if (const auto state = environment.get("XDG_STATE_HOME"); state && state->starts_with('/'))
    return *state + "/backstay";
  if (const auto home = environment.get("HOME")) return *home + "/.local/state/backstay";
  return {};
}

std::string journals_folder(const Environment& environment) {
  const std::string state = state_folder(environment);
  return state.empty() ? state : state + "/restores";
}

std::vector<std::string> kept_folders(const Context& context, const repo::Repository& repository) {
  std::vector<std::string> kept = backend::placement::folders_behind(repository.store().describe());
  for (std::string& folder : folders_of_places(context)) kept.push_back(std::move(folder));
  const std::string cache = cache_folder(context.options, context.environment);
  if (!cache.empty()) kept.push_back(cache);
  const std::string state = state_folder(context.environment);
  if (!state.empty()) kept.push_back(state);
  return kept;
}

engine::SafetyOptions safety_options(const Context& context, const repo::Repository& repository,
                                     std::vector<std::string> kept) {
  engine::SafetyOptions options;
  options.journals = journals_folder(context.environment);
  options.never = std::move(kept);
  options.host = io::hostname();
  options.user = io::user_name();
  options.wait = fence_wait(context);
  options.threads = context.options.threads;
  options.memory_limit = context.options.memory_limit;
  options.before_saving = [&context, &repository] { return refuse_changed(context, repository); };
  return options;
}

Error with_ways_on(Error error, const engine::RestoreSafety& safety) {
  const engine::RestoreJournal* const journal = safety.journal();
  if (journal == nullptr || journal->record().step == engine::RestoreStep::kSaving) return error;
  const std::string ways = fmt::format(
      "Run the same command again to go on from there, or 'backstay rollback {}' to have the "
      "target as it was.",
      journal->record().id);
  const std::string hint = error.hint().empty() ? ways : error.hint() + " " + ways;
  return Error(error.code(), error.describe()).with_hint(hint);
}

json::Json restore_line(const engine::KnownRestore& known) {
  const engine::RestoreRecord& record = known.record;
  json::Json line = json::line_of("restore");
  line["id"] = record.id;
  line["state"] = engine::to_string(known.state);
  line["rollback_of"] =
      record.rollback_of.empty() ? json::Json(nullptr) : json::Json(record.rollback_of);
  line["rolled_back_by"] =
      record.rolled_back_by.empty() ? json::Json(nullptr) : json::Json(record.rolled_back_by);
  line["time"] = format_rfc3339(record.started);
  line["ended"] = time_or_null(record.ended);
  json::put_text(line, "target", known.target);
  line["snapshot"] = record.snapshot;
  line["safety_snapshot"] = record.safety.empty() ? json::Json(nullptr) : json::Json(record.safety);
  line["repository_id"] = record.repository_id;
  json::put_text(line, "repository", record.repository);
  line["files_restored"] = record.files_restored;
  line["files_deleted"] = record.files_deleted;
  line["bytes_written"] = record.bytes_written;
  line["errors"] = record.errors;
  line["validated_bytes"] =
      record.validated_bytes ? json::Json(*record.validated_bytes) : json::Json(nullptr);
  line["validation_errors"] = record.validation_errors;
  line["check_exit"] = record.check_exit ? json::Json(*record.check_exit) : json::Json(nullptr);
  return line;
}

}  // namespace backstay::cli
