#include "engine/backup/settle_packs.h"

#include <fmt/format.h>

#include "base/try.h"
#include "repo/pack_recovery.h"
#include "repo/pack_survey.h"

namespace backstay::engine::backup_stages {

namespace {

using repo::PackDepth;

// What runs leave that were killed is young: a power cut may have taken bytes of it, so it is read
// whole. More than this are packs whose index was lost, and those were durable long ago.
constexpr std::uint64_t kReadWholeMax = 1ULL << 30;

PackDepth depth_for(const std::vector<repo::Index::Pack>& strays) {
  std::uint64_t sum = 0;
  for (const repo::Index::Pack& pack : strays) sum += pack.size_bytes;
  return sum <= kReadWholeMax ? PackDepth::kWhole : PackDepth::kDirectory;
}

std::string packs_text(std::size_t count) {
  return count == 1 ? "1 pack" : fmt::format("{} packs", count);
}

void distrust(repo::Repository& repository, const repo::PackSurvey& survey, Activity& activity) {
  repository.index().distrust(survey.lost);
  repository.index().distrust(survey.marked);
  if (!survey.lost.empty()) {
    activity.note(
        fmt::format("{} of the index missing or cut short: what is lost and still in the source is "
                    "stored again",
                    packs_text(survey.lost.size()) + (survey.lost.size() == 1 ? " is" : " are")));
  }
  if (!survey.marked.empty()) {
    activity.note(
        fmt::format("{} found damaged by a check: what the source still has of it is "
                    "stored again",
                    packs_text(survey.marked.size())));
  }
}

// Makes the packs durable, then the run that names them (docs/format.md section 8.1).
Result<void> take_over(repo::Repository& repository, std::vector<repo::PackEntries> packs) {
  backend::Backend& store = repository.store();
  for (const repo::PackEntries& pack : packs)
    TRY(store.adopt(repo::object_name(repo::object_kind(pack.kind), pack.pack)));
  TRY(store.barrier());
  TRY(repository.index().add(std::move(packs)));
  return {};
}

Result<repo::RecoveredPacks> adopt(repo::Repository& repository,
                                   const std::vector<repo::Index::Pack>& strays, bool dry_run) {
  if (dry_run) return repository.recover_now(strays);
  return repo::recover_packs(repository.store(), repository.keyring(), repository.config().id,
                             strays, depth_for(strays), [&](std::vector<repo::PackEntries> packs) {
                               return take_over(repository, std::move(packs));
                             });
}

}  // namespace

Result<void> settle_packs(repo::Repository& repository, const SettleOptions& options,
                          Activity& activity) {
  const auto survey = TRY(repo::survey_packs(repository.store(), repository.index()));
  distrust(repository, survey, activity);
  if (survey.strays.empty() && options.damaged_runs.empty()) return {};

  const auto adopted = TRY_DOING("taking over packs that no index run names",
                                 adopt(repository, survey.strays, options.dry_run));
  if (!adopted.packs.empty()) {
    activity.note(fmt::format("{} that no index run names: what they hold is used again",
                              packs_text(adopted.packs.size())));
  }
  for (const auto& [id, error] : adopted.unreadable) {
    if (error.code() == ErrorCode::kNotFound) continue;
    activity.note(fmt::format("pack {}, which no index run names, cannot be used ({})",
                              id.short_hex(), error.describe()));
  }
  // Every pack that a damaged run could have named is known by now, unless its directory is damaged
  // too.
  if (options.dry_run || options.damaged_runs.empty() || !adopted.unreadable.empty()) return {};
  TRY_DOING("replacing damaged index runs", repository.index().add({}, options.damaged_runs));
  return {};
}

}  // namespace backstay::engine::backup_stages
