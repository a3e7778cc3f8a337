#include "cli/staged_backup.h"

#include <fmt/format.h>

#include <utility>

#include "base/try.h"
#include "cli/console.h"
#include "cli/global_options.h"

namespace backstay::cli {
namespace {

// Who cannot read what is in the stage cannot send it either.
Result<void> require_full_key(const repo::Repository& repository) {
  if (!repository.keyring().is_write_only()) return {};
  return std::unexpected(
      Error(ErrorCode::kWrongKey,
            "the key is write-only: what it would keep in a stage it could not read and send")
          .with_hint("Leave out --stage, or use a full key."));
}

// A stage that cannot be kept up to date must not keep anything from being backed up; that the
// repository has gone away meanwhile must be known.
Result<void> go_on_after(const Context& context, const Error& error, std::string_view what) {
  if (error.code() == ErrorCode::kUnavailable || error.code() == ErrorCode::kCancelled)
    return std::unexpected(error.clone());
  context.console.warning(fmt::format("{}: {}", what, error.describe()), error.hint());
  return {};
}

// False when something stays that could not be sent.
Result<bool> send_what_waits(Context& context, const Stage& stage, repo::Repository& repository,
                             const GivenCredential& given) {
  const auto sent = send_stage(context, stage, repository, given);
  if (!sent) {
    TRY(go_on_after(context, sent.error(), "what waits in the stage could not be sent"));
    return false;
  }
  if (!*sent)
    context.console.note("another run uses the stage: what waits in it is sent by a later one");
  return !*sent || (*sent)->kept == 0;
}

Result<void> learn(const Context& context, const Stage& stage, const repo::Repository& repository) {
  const auto lock = TRY(stage.try_lock(io::FileLock::kExclusive));
  if (!lock) {
    context.console.detail("another run uses the stage: it is not brought up to date");
    return {};
  }
  TRY_DOING("keeping what is needed to go on without the repository",
            stage.learn(repository.store()));
  return {};
}

Result<MadeBackup> back_up_there(Context& context, const Stage& stage, const GivenCredential& given,
                                 const MakeBackup& make, Storing storing) {
  const auto repository = TRY(
      open_repository(context, KeyUse::kWriting, WhenChanged::kRefuse, given ? &given : nullptr));
  TRY(require_full_key(*repository));
  bool all_sent = true;
  if (storing == Storing::kYes) {
    all_sent = TRY(send_what_waits(context, stage, *repository, given));
    if (const auto learnt = learn(context, stage, *repository); !learnt)
      TRY(go_on_after(context, learnt.error(), "the stage could not be prepared"));
  }
  MadeBackup made = TRY(make(*repository, 0));
  if (storing == Storing::kNo) return made;
  // What was lacking for it may have come with this backup.
  if (!all_sent)
    made.all_sent = send_what_waits(context, stage, *repository, given).value_or(false);
  // The snapshot is there, whatever comes of this.
  const auto learnt = learn(context, stage, *repository);
  if (!learnt)
    context.console.warning("the stage could not be brought up to date: " +
                            learnt.error().describe());
  return made;
}

// What a run left in the stage that stored no snapshot. Where others use it, the next one does it.
void free_what_was_left(const Context& context, const Stage& stage, const GivenCredential& given) {
  const auto lock = stage.try_lock(io::FileLock::kExclusive);
  if (!lock || !*lock) return;
  const auto staged = stage.open_staged(given, Stage::Bounds::kUnbounded);
  if (!staged) return;
  if (const auto freed = engine::free_stage(**staged); !freed)
    context.console.detail("the stage was not freed: " + freed.error().describe());
}

Result<MadeBackup> back_up_in_stage(const Stage& stage, const GivenCredential& given,
                                    const MakeBackup& make) {
  const auto lock = TRY(stage.try_lock(io::FileLock::kShared));
  if (!lock) {
    return std::unexpected(
        Error(ErrorCode::kConflict, "another run is sending from the stage in " + stage.folder())
            .with_hint("Run it again when that has ended."));
  }
  const GivenCredential key = TRY(stage.key_or_ask(given));
  const auto known = TRY(stage.open_known(key));
  TRY(require_full_key(*known));
  TRY(engine::load_known(*known));
  const auto staged = TRY(stage.open_staged(key, Stage::Bounds::kBounded));
  staged->index().rely_elsewhere(engine::data_known_to(*known));
  MadeBackup made = TRY(make(*staged, known->index().totals().filter_bytes));
  made.durable = Durable::kStage;
  return made;
}

Error not_prepared(Error away, const Stage& stage) {
  return std::move(away).with_hint(fmt::format(
      "{} cannot keep the backup yet: run the same command once while the repository is there, so "
      "that it holds what is needed to go on without it.",
      stage.folder()));
}

}  // namespace

Result<MadeBackup> back_up_with_stage(Context& context, const Stage& stage, SourceIs source,
                                      const MakeBackup& make, Storing storing) {
  TRY(stage.require_remote());
  const GivenCredential given = TRY(read_given_credential(context));
  auto away = find_away(context, stage);
  if (!away) {
    auto made = back_up_there(context, stage, given, make, storing);
    if (made || made.error().code() != ErrorCode::kUnavailable) return made;
    away = std::move(made).error();
    if (source == SourceIs::kReadOnce) {
      return std::unexpected(std::move(*away).with_hint(
          "The repository went away while standard input was read, which cannot be read again: "
          "run the command that gives it once more."));
    }
  }
  if (context.stop.stop_requested()) return fail(ErrorCode::kCancelled, "interrupted");
  if (!stage.is_prepared()) return std::unexpected(not_prepared(std::move(*away), stage));
  context.console.note(fmt::format("the repository is away ({}): backing up into {}",
                                   away->describe(), stage.folder()));
  auto made = back_up_in_stage(stage, given, make);
  if (made) return made;
  if (storing == Storing::kYes) free_what_was_left(context, stage, given);
  Error error = std::move(made).error().with_context(
      fmt::format("backing up into the stage, because {} is away", context.options.repository));
  if (error.code() != ErrorCode::kNoSpace) return std::unexpected(std::move(error));
  return std::unexpected(std::move(error).with_hint(
      "No snapshot was made, and what waits from before is kept. Raise --stage-limit or make room; "
      "'backstay stage send' sends what waits as soon as the repository is there."));
}

}  // namespace backstay::cli
