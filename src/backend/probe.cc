#include "backend/probe.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <thread>
#include <vector>

#include "base/hex.h"
#include "base/try.h"

namespace backstay::backend {
namespace {

constexpr int kRounds = 3;
constexpr std::string_view kText = "what was put first";

bool is_taken(const Result<void>& created) {
  return !created && created.error().code() == ErrorCode::kAlreadyExists;
}

// How many of four win, two over each connection. A failure of another kind ends the probe.
Result<int> race(Backend& one, Backend& other, std::string_view name) {
  std::array<Result<void>, 4> said;
  {
    std::vector<std::jthread> racers;
    for (std::size_t i = 0; i < said.size(); ++i) {
      racers.emplace_back([&, i] {
        Backend& store = i % 2 == 0 ? one : other;
        said[i] = store.put(name, as_bytes(kText));
      });
    }
  }
  for (const Result<void>& created : said) {
    if (!created && !is_taken(created)) return std::unexpected(created.error().clone());
  }
  return static_cast<int>(
      std::ranges::count_if(said, [](const Result<void>& created) { return created.has_value(); }));
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
                     .lists_at_once = true,
                     .clock_ahead_seconds = {},
                     .says = {}};
  for (int round = 0; round < kRounds; ++round) {
    const std::string name = fmt::format("leases/probe-{}-{}", to_hex(random), round);
    report.creates_once = TRY(race(one, other, name)) == 1 && report.creates_once;
    report.keeps_first = is_taken(other.put(name, as_bytes("later"))) && report.keeps_first;
    report.reads_ranges = reads_range(other, name) && report.reads_ranges;
    const bool listed = TRY(lists(other, name));
    TRY(one.remove(name));
    report.lists_at_once = listed && !TRY(lists(other, name)) && report.lists_at_once;
  }
  if (const auto time = one.store_time()) {
    report.clock_ahead_seconds = time->seconds - clock.now().seconds;
  }
  report.says = one.capabilities();
  // That none was late now does not say that none ever is.
  report.lists_at_once = report.lists_at_once && report.says.lists_at_once;
  return report;
}

}  // namespace backstay::backend
