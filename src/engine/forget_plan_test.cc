// What a dry run of forget shows is what the run then does: under every kind of rule, and by name.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <set>

#include "engine/forget.h"
#include "engine/notes.h"
#include "engine/testing/backup_fixture.h"

namespace backstay::engine {
namespace {

using policy::Calendar;
using snapshot::SnapshotId;
using testing::ElementsAreArray;
using testing::IsEmpty;

const ForgetWait kWaitForNobody{.limit = std::chrono::milliseconds(0),
                                .pause = std::chrono::milliseconds(1),
                                .stop = {},
                                .note = {}};

struct Policy {
  std::string name;
  ForgetOptions options;
};

// Two hosts, twenty-four snapshots of each in three weeks: of different sizes, some with tags, some
// partial, one held, one damaged.
class ForgetPlanned : public repo::RepositoryFixture {
 protected:
  void SetUp() override {
    make();
    const auto repository = open();
    for (std::uint64_t i = 0; i < 48; ++i) {
      clock_.advance(std::chrono::hours(10 + static_cast<std::int64_t>(i % 3)));
      snapshot::Snapshot made;
      made.started = clock_.now();
      made.host = i % 2 == 0 ? "web" : "mail";
      made.paths = {i % 10 < 6 ? "/home" : "/srv"};
      if (i % 5 == 0) made.tags = {"weekly"};
      if (i % 7 == 0) made.tags.emplace_back("yearly");
      made.status = i % 11 == 10 ? snapshot::Status::kPartial : snapshot::Status::kComplete;
      made.stats.bytes_stored = 1000 + i * 37;
      made.tree = {.page = {.id = {}, .length = 5}, .level = 0, .entries = 0};
      const auto id = repository->commit_snapshot(made);
      ASSERT_EQ(problem(id), "");
      ids_.push_back(*id);
    }
    repo::Hold audit;
    audit.reason = "audit";
    ASSERT_EQ(problem(hold(*repository, {ids_[3]}, audit, kWaitForNobody)), "");
    replace(object_of(ids_[20]), [](Bytes& bytes) { bytes.back() ^= 1; });
  }
  static std::string object_of(const SnapshotId& id) { return "snapshots/" + id.hex(); }

  // One of each kind of rule, some together, and by name.
  [[nodiscard]] std::vector<Policy> policies() const {
    std::vector<Policy> all;
    const auto add = [&](std::string name, ForgetOptions options) {
      options.zone = [](std::int64_t) { return 3600; };
      all.push_back({.name = std::move(name), .options = std::move(options)});
    };
    const auto at = [](Calendar calendar) { return static_cast<std::size_t>(calendar); };
    ForgetOptions last;
    last.retention.last = 3;
    add("last", last);
    last.selects = [](const auto& stored) { return stored.snapshot.host == "mail"; };
    add("last, of one host", last);
    for (const Calendar calendar : policy::kCalendars) {
      ForgetOptions counting;
      counting.retention.counts.at(at(calendar)) = 2;
      add(std::string(to_string(calendar)), counting);
    }
    ForgetOptions within;
    within.retention.within = policy::Period{.days = 5};
    add("within", within);
    ForgetOptions within_daily;
    within_daily.retention.within_each.at(at(Calendar::kDaily)) = policy::Period{.days = 9};
    add("within, daily", within_daily);
    ForgetOptions tags;
    tags.retention.tags = {{"weekly", "yearly"}, {"yearly"}};
    add("tags", tags);
    ForgetOptions size;
    size.retention.size_bytes = 9'000;
    add("size", size);
    ForgetOptions several;
    several.retention.last = 1;
    several.retention.counts.at(at(Calendar::kDaily)) = 4;
    several.retention.counts.at(at(Calendar::kWeekly)) = policy::kUnlimited;
    add("several", several);
    several.grouping = {.host = false, .paths = false, .tags = true};
    add("several, by tags", several);
    ForgetOptions named;
    named.named = {ids_[5], ids_[47], ids_[20], ids_[6], ids_[5]};
    add("named", named);
    named.named.push_back(ids_[3]);
    named.spares = true;
    add("named, with what is spared", named);
    return all;
  }

  struct Outcome {
    std::string plan;               // all of it, to the last word
    std::vector<SnapshotId> to_go;  // by the plan
    std::vector<SnapshotId> went;   // in this order
    std::string report;
  };
  Outcome run(ForgetOptions options, bool dry_run) {
    Outcome outcome;
    options.dry_run = dry_run;
    Watch watch;
    Activity activity = watch.activity();
    ForgetEvents events;
    events.planned = [&](const ForgetPlan& plan) {
      outcome.plan = written(plan);
      outcome.to_go = to_be_removed(plan);
    };
    events.removed = [&](const SnapshotId& id) { outcome.went.push_back(id); };
    const auto report = forget(*open(), options, events, activity);
    EXPECT_EQ(problem(report), "");
    if (report) {
      outcome.report = fmt::format("{} groups, {} kept, {} removed, {} damaged", report->groups,
                                   report->kept, report->removed, report->damaged);
    }
    return outcome;
  }
  static std::string written(const ForgetPlan& plan) {
    std::string text =
        fmt::format("by {} {} {}\n", plan.grouping.host, plan.grouping.paths, plan.grouping.tags);
    const auto add = [&](const std::vector<std::string>& words) {
      for (const std::string& word : words) text += " " + word;
      text += "\n";
    };
    for (const ForgetGroup& group : plan.groups) {
      text += "group " + group.host;
      add(group.paths);
      add(group.tags);
      for (const ForgetDecision& decision : group.decisions) {
        text += fmt::format("{} {} {}", decision.stored.id.hex(),
                            decision.stored.snapshot.started.seconds, to_string(decision.decision));
        for (const policy::Reason& reason : decision.reasons)
          text += fmt::format(", {}: {}", to_string(reason.rule), reason.text);
        add(decision.stored.snapshot.tags);
      }
    }
    for (const SnapshotId& id : plan.damaged) text += "damaged " + id.hex() + "\n";
    return text;
  }

  std::vector<SnapshotId> ids_;  // oldest first
};

TEST_F(ForgetPlanned, DoesWhatTheDryRunShowsAndNothingElse) {
  const auto whole = memory_.objects();
  std::set<std::string> plans;
  for (const Policy& policy : policies()) {
    SCOPED_TRACE(policy.name);
    memory_.set_objects(whole);
    const Outcome shown = run(policy.options, true);
    EXPECT_TRUE(memory_.objects() == whole);
    EXPECT_THAT(shown.went, IsEmpty());
    ASSERT_FALSE(shown.to_go.empty()) << "a rule that takes nothing shows nothing";
    EXPECT_LT(shown.to_go.size(), ids_.size());

    const Outcome done = run(policy.options, false);
    EXPECT_EQ(done.plan, shown.plan);
    EXPECT_EQ(done.report, shown.report);
    EXPECT_THAT(done.went, ElementsAreArray(shown.to_go));
    auto wanted = whole;
    for (const SnapshotId& id : shown.to_go) wanted.erase(object_of(id));
    EXPECT_TRUE(memory_.objects() == wanted) << "those that were shown, and nothing else";
    plans.insert(shown.plan);
  }
  EXPECT_EQ(plans.size(), policies().size()) << "each rule decides in its own way";
}

}  // namespace
}  // namespace backstay::engine
