#include "engine/backup/settle_packs.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <unordered_set>
#include <utility>

#include "base/try.h"
#include "repo/damage_mark.h"
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

// The packs that no run names, brought into the index: for this run only when it is dry.
class Adoption {
 public:
  Adoption(repo::Repository& repository, const repo::PackSurvey& survey,
           const SettleOptions& options)
      : repository_(repository), survey_(survey), options_(options) {}

  Result<AdoptedPacks> run() {
    AdoptedPacks adopted;
    adopted.packs = TRY(recover(survey_.strays, depth_for(survey_.strays), [&](auto packs) {
      return options_.dry_run ? repository_.index().add_unstored(std::move(packs))
                              : take_over(repository_, std::move(packs));
    }));
    // The bytes of these do not match their names: their directories, which are authenticated, say
    // what readers may still find whole.
    std::vector<repo::Index::Pack> last_choice = take_damaged_from(adopted.packs);
    last_choice.insert(last_choice.end(), survey_.marked_strays.begin(),
                       survey_.marked_strays.end());
    // A run that is damaged may be all that told of condemned packs, and one may be needed.
    if (options_.condemned_too || !options_.damaged_runs.empty()) {
      last_choice.insert(last_choice.end(), survey_.condemned_strays.begin(),
                         survey_.condemned_strays.end());
    }
    adopted.packs.append(TRY(recover(last_choice, PackDepth::kDirectory, [&](auto packs) {
      return take_over_untrusted(std::move(packs));
    })));
    for (const auto& [id, error] : left_out_.unreadable) damaged_.erase(id);
    for (const repo::ObjectId& pack : adopted.packs.packs) {
      if (damaged_.contains(pack)) adopted.damaged.push_back(pack);
    }
    adopted.packs.append(std::move(left_out_));
    return adopted;
  }

 private:
  using Take = std::function<Result<void>(std::vector<repo::PackEntries>)>;

  Result<repo::RecoveredPacks> recover(const std::vector<repo::Index::Pack>& packs, PackDepth depth,
                                       const Take& take) {
    return repo::recover_packs(repository_.store(), repository_.keyring(), repository_.config().id,
                               packs, {depth, repository_.world().readers()}, take);
  }

  // Those that were read whole and found damaged: what their directories say comes second.
  std::vector<repo::Index::Pack> take_damaged_from(repo::RecoveredPacks& packs) {
    std::erase_if(packs.unreadable, [&](const auto& one) {
      return one.second.code() == ErrorCode::kCorruption && damaged_.insert(one.first).second;
    });
    std::vector<repo::Index::Pack> found;
    for (const repo::Index::Pack& pack : survey_.strays) {
      if (damaged_.contains(pack.id)) found.push_back(pack);
    }
    return found;
  }

  // No backup relies on these, so that one that cannot be made durable, or marked, is only left
  // out, and told.
  Result<void> take_over_untrusted(std::vector<repo::PackEntries> packs) {
    for (const repo::PackEntries& pack : packs) {
      if (damaged_.contains(pack.pack)) repository_.index().distrust({pack.pack});
    }
    if (options_.dry_run) return repository_.index().add_unstored(std::move(packs));
    std::erase_if(packs, [&](const repo::PackEntries& pack) {
      auto ready = make_ready(pack);
      if (ready) return false;
      left_out_.unreadable.emplace_back(pack.pack, std::move(ready).error());
      return true;
    });
    if (packs.empty()) return {};
    TRY(repository_.store().barrier());
    TRY(repository_.index().add(std::move(packs)));
    return {};
  }

  // The mark comes before the run that names the pack, so that nobody takes it for whole.
  Result<void> make_ready(const repo::PackEntries& pack) {
    TRY(repository_.store().adopt(repo::object_name(repo::object_kind(pack.kind), pack.pack)));
    if (!damaged_.contains(pack.pack)) return {};
    return repo::mark_damaged(repository_.store(), repository_.config().id, pack.pack, pack.kind,
                              repository_.world().clock.now());
  }

  repo::Repository& repository_;
  const repo::PackSurvey& survey_;
  const SettleOptions& options_;
  std::unordered_set<repo::ObjectId> damaged_;
  repo::RecoveredPacks left_out_;
};

void tell(const AdoptedPacks& all, const repo::PackSurvey& survey, Activity& activity) {
  const repo::RecoveredPacks& adopted = all.packs;
  const auto is_marked = [&](const repo::ObjectId& pack) {
    return std::ranges::find(survey.marked, pack) != survey.marked.end() ||
           std::ranges::find(all.damaged, pack) != all.damaged.end() ||
           std::ranges::find(survey.condemned_strays, pack, &repo::Index::Pack::id) !=
               survey.condemned_strays.end();
  };
  const auto used = adopted.packs.size() -
                    static_cast<std::size_t>(std::ranges::count_if(adopted.packs, is_marked));
  if (used > 0) {
    activity.note(
        fmt::format("{} that no index run names: what they hold is used again", packs_text(used)));
  }
  for (const repo::ObjectId& id : all.damaged) {
    activity.note(fmt::format(
        "pack {}, which no index run names, is damaged: nothing new relies on it", id.short_hex()));
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
  const bool condemned = options.condemned_too && !survey.condemned_strays.empty();
  if (survey.strays.empty() && survey.marked_strays.empty() && options.damaged_runs.empty() &&
      !condemned) {
    return AdoptedPacks{};
  }
  AdoptedPacks adopted = TRY_DOING("taking over packs that no index run names",
                                   Adoption(repository, survey, options).run());
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
  tell(adopted, survey, activity);
  return {};
}

}  // namespace backstay::engine::backup_stages
