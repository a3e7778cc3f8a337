#include "engine/backup/settle_packs.h"

#include <fmt/format.h>

#include <algorithm>

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

// The same for marked ones. No backup relies on them, so that one that cannot be made durable is
// only left out, and told in `left_out`.
Result<void> take_over_marked(repo::Repository& repository, std::vector<repo::PackEntries> packs,
                              repo::RecoveredPacks& left_out) {
  std::erase_if(packs, [&](const repo::PackEntries& pack) {
    auto adopted =
        repository.store().adopt(repo::object_name(repo::object_kind(pack.kind), pack.pack));
    if (adopted) return false;
    left_out.unreadable.emplace_back(pack.pack, std::move(adopted).error());
    return true;
  });
  if (packs.empty()) return {};
  TRY(repository.store().barrier());
  TRY(repository.index().add(std::move(packs)));
  return {};
}

Result<repo::RecoveredPacks> adopt(repo::Repository& repository, const repo::PackSurvey& survey,
                                   const SettleOptions& options) {
  if (options.dry_run) return repository.recover_now(survey);
  repo::RecoveredPacks adopted =
      TRY(repo::recover_packs(repository.store(), repository.keyring(), repository.config().id,
                              survey.strays, {depth_for(survey.strays), options.readers},
                              [&](auto packs) { return take_over(repository, std::move(packs)); }));
  // The bytes of these do not match their names: their directories, which are authenticated, say
  // what readers may still find whole.
  repo::RecoveredPacks left_out;
  std::vector<repo::Index::Pack> last_choice = survey.marked_strays;
  // A run that is damaged may be all that told of condemned packs, and one may be needed.
  if (!options.damaged_runs.empty()) {
    last_choice.insert(last_choice.end(), survey.condemned_strays.begin(),
                       survey.condemned_strays.end());
  }
  adopted.append(TRY(repo::recover_packs(
      repository.store(), repository.keyring(), repository.config().id, last_choice,
      {PackDepth::kDirectory, options.readers},
      [&](auto packs) { return take_over_marked(repository, std::move(packs), left_out); })));
  adopted.append(std::move(left_out));
  return adopted;
}

void tell(const repo::RecoveredPacks& adopted, const repo::PackSurvey& survey, Activity& activity) {
  const auto is_marked = [&](const repo::ObjectId& pack) {
    return std::ranges::find(survey.marked, pack) != survey.marked.end() ||
           std::ranges::find(survey.condemned_strays, pack, &repo::Index::Pack::id) !=
               survey.condemned_strays.end();
  };
  const auto used = adopted.packs.size() -
                    static_cast<std::size_t>(std::ranges::count_if(adopted.packs, is_marked));
  if (used > 0) {
    activity.note(
        fmt::format("{} that no index run names: what they hold is used again", packs_text(used)));
  }
  for (const auto& [id, error] : adopted.unreadable) {
    if (error.code() == ErrorCode::kNotFound || is_marked(id)) continue;
    activity.note(fmt::format("pack {}, which no index run names, cannot be used ({})",
                              id.short_hex(), error.describe()));
  }
}

}  // namespace

Result<AdoptedPacks> adopt_packs(repo::Repository& repository, const repo::PackSurvey& survey,
                                 const SettleOptions& options) {
  AdoptedPacks adopted;
  if (survey.strays.empty() && survey.marked_strays.empty() && options.damaged_runs.empty()) {
    return adopted;
  }
  adopted.packs =
      TRY_DOING("taking over packs that no index run names", adopt(repository, survey, options));
  // Every pack that a damaged run could have named is in another run by now, unless its directory
  // is damaged too.
  if (options.damaged_runs.empty() || !adopted.packs.unreadable.empty()) return adopted;
  adopted.runs_replaced = true;
  if (options.dry_run) return adopted;
  TRY_DOING("replacing damaged index runs", repository.index().add({}, options.damaged_runs));
  return adopted;
}

Result<void> settle_packs(repo::Repository& repository, const SettleOptions& options,
                          Activity& activity) {
  const auto survey = TRY(repo::survey_packs(repository.store(), repository.index()));
  distrust(repository, survey, activity);
  // Their directories are for full keys, and so is the word that nothing of a damaged run is lost.
  if (options.write_only) return {};
  const auto adopted = TRY(adopt_packs(repository, survey, options));
  tell(adopted.packs, survey, activity);
  return {};
}

}  // namespace backstay::engine::backup_stages
