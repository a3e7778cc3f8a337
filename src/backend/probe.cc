#include "backend/probe.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <thread>
#include <tuple>
#include <vector>

#include "base/hex.h"
#include "base/try.h"

namespace backstay::backend {
namespace {

constexpr int kRounds = 3;
constexpr std::string_view kText = "what was put first";

bool failed_with(const Result<void>& done, ErrorCode code) {
  return !done && done.error().code() == code;
}

bool is_taken(const Result<void>& created) {
  return failed_with(created, ErrorCode::kAlreadyExists);
}

using Answers = std::array<Result<void>, 4>;

// What four who do something at the same moment are told, two over each connection.
template <typename Do>
Answers race(Backend& one, Backend& other, const Do& act) {
  Answers said;
  std::vector<std::jthread> racers;
  for (std::size_t i = 0; i < said.size(); ++i) {
    racers.emplace_back([&, i] { said[i] = act(i % 2 == 0 ? one : other, i); });
  }
  racers.clear();
  return said;
}

// How many of them win. A failure of another kind ends the probe.
Result<int> race_to_create(Backend& one, Backend& other, std::string_view name) {
  const Answers said = race(one, other, [&](Backend& store, std::size_t /*racer*/) {
    return store.put(name, as_bytes(kText));
  });
  for (const Result<void>& created : said) {
    if (!created && !is_taken(created)) return std::unexpected(created.error().clone());
  }
  return static_cast<int>(
      std::ranges::count_if(said, [](const Result<void>& created) { return created.has_value(); }));
}

std::string text_of_racer(std::size_t racer) {
  return fmt::format("what racer {} put in its place", racer);
}

// What the answers of a race to replace say. kYes is only that one of them won.
Answer judge_swaps(const Answers& said) {
  int won = 0;
  bool in_doubt = false;
  for (const Result<void>& replaced : said) {
    if (replaced) ++won;
    if (failed_with(replaced, ErrorCode::kUnsupported)) return Answer::kNo;
    in_doubt = in_doubt || (!replaced && replaced.error().code() != ErrorCode::kConflict);
  }
  // An answer that was lost may have been "done".
  if (won > 1 || (won == 0 && !in_doubt)) return Answer::kNo;
  return in_doubt ? Answer::kUnknown : Answer::kYes;
}

// Of an object that is there. Whatever fails is no failure of the probe.
Answer swaps(Backend& one, Backend& other, std::string_view name) {
  const auto unless_unsupported = [](const Error& error) {
    return error.code() == ErrorCode::kUnsupported ? Answer::kNo : Answer::kUnknown;
  };
  const Result<std::string> mark = other.mark(name);
  if (!mark) return unless_unsupported(mark.error());
  const Answers said = race(one, other, [&](Backend& store, std::size_t racer) {
    return store.replace(name, *mark, as_bytes(text_of_racer(racer)));
  });
  const Answer judged = judge_swaps(said);
  if (judged != Answer::kYes) return judged;
  const auto won = static_cast<std::size_t>(
      std::ranges::find_if(said, [](const auto& one_of) { return one_of.has_value(); }) -
      said.begin());
  const Result<Bytes> there = other.get(name, 1024);
  if (!there) return unless_unsupported(there.error());
  if (as_text(*there) != text_of_racer(won)) return Answer::kNo;
  const Result<void> late = one.replace(name, *mark, as_bytes("too late"));
  if (late) return Answer::kNo;
  return late.error().code() == ErrorCode::kConflict ? Answer::kYes
                                                     : unless_unsupported(late.error());
}

// Both, where one no outweighs all.
Answer worse(Answer first, Answer second) {
  if (first == Answer::kNo || second == Answer::kNo) return Answer::kNo;
  return first == Answer::kYes ? second : first;
}

bool reads_what_was_put(Backend& store, std::string_view name) {
  const Result<Bytes> read = store.get(name, 1024);
  return read && as_text(*read) == kText;
}

bool is_gone(Backend& store, std::string_view name) {
  const Result<Bytes> read = store.get(name, 1024);
  return !read && read.error().code() == ErrorCode::kNotFound;
}

// In a store with versions, what was replaced may come to light when the last one goes.
void remove_all_of(Backend& store, std::string_view name) {
  constexpr std::size_t kTimesMax = std::tuple_size_v<Answers> + 2;
  for (std::size_t i = 0; i < kTimesMax && store.remove(name) && store.head(name); ++i) {
  }
}

// With an object of its own, so that what is seen of the other one is not disturbed.
Result<Answer> try_swaps(Backend& one, Backend& other, const std::string& name) {
  TRY(one.put(name, as_bytes(kText)));
  const Answer found = swaps(one, other, name);
  remove_all_of(one, name);
  return found;
}

Result<bool> lists(Backend& store, std::string_view name) {
  bool found = false;
  TRY(store.list("leases/", [&](const ObjectInfo& info) -> Result<void> {
    found = found || info.name == name;
    return {};
  }));
  return found;
}

bool reads_range(Backend& store, std::string_view name) {
  constexpr std::uint64_t kFrom = 5;
  Bytes out(3);
  return store.get_range(name, kFrom, out) && as_text(out) == kText.substr(kFrom, out.size());
}

}  // namespace

Result<ProbeReport> probe(Backend& one, Backend& other, const Clock& clock, Rng& rng) {
  Bytes random(16);
  rng.fill(random);
  ProbeReport report{.creates_once = true,
                     .keeps_first = true,
                     .reads_ranges = true,
                     .reads_at_once = true,
                     .lists_at_once = true,
                     .swaps = Answer::kYes,
                     .versions = Answer::kUnknown,
                     .clock_ahead_seconds = {},
                     .says = {}};
  for (int round = 0; round < kRounds; ++round) {
    const std::string name = fmt::format("leases/probe-{}-{}", to_hex(random), round);
    report.creates_once = TRY(race_to_create(one, other, name)) == 1 && report.creates_once;
    report.keeps_first = is_taken(other.put(name, as_bytes("later"))) && report.keeps_first;
    report.reads_ranges = reads_range(other, name) && report.reads_ranges;
    report.reads_at_once = reads_what_was_put(other, name) && report.reads_at_once;
    const bool listed = TRY(lists(other, name));
    TRY(one.remove(name));
    report.lists_at_once = listed && !TRY(lists(other, name)) && report.lists_at_once;
    report.reads_at_once = is_gone(other, name) && report.reads_at_once;
    report.swaps = worse(report.swaps, TRY(try_swaps(one, other, name + "-swap")));
  }
  if (const auto versions = one.versions()) report.versions = *versions;
  if (const auto time = one.store_time()) {
    report.clock_ahead_seconds = time->seconds - clock.now().seconds;
  }
  report.says = one.capabilities();
  // That none was late now does not say that none ever is.
  report.lists_at_once = report.lists_at_once && report.says.lists_at_once;
  return report;
}

}  // namespace backstay::backend
