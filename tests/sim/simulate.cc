// Runs schedules of the simulator: `simulate [--seed N] [--count N] [--tell]`.
//
// Without a seed it takes one from the clock, and says which. A schedule that violates something
// ends the run with its seed, and the same seed gives the same schedule again.
#include <fmt/format.h>
#include <malloc.h>

#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string_view>

#include "world.h"

namespace {

std::optional<std::uint64_t> number_of(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// Stacks come and go with every schedule: they are kept rather than asked for anew.
void keep_freed_memory() {
  constexpr int kKept = 256 * 1024 * 1024;
  mallopt(M_MMAP_THRESHOLD, kKept);
  mallopt(M_TRIM_THRESHOLD, kKept);
}

}  // namespace

int main(int argc, char** argv) {
  keep_freed_memory();
  std::optional<std::uint64_t> seed;
  std::uint64_t count = 1000;
  bool tell = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    const auto value = i + 1 < argc ? number_of(argv[i + 1]) : std::nullopt;
    if (word == "--tell") {
      tell = true;
    } else if ((word == "--seed" || word == "--count") && value) {
      (word == "--seed" ? *(seed = 0) : count) = *value;
      ++i;
    } else {
      fmt::print(stderr, "usage: simulate [--seed N] [--count N] [--tell]\n");
      return 2;
    }
  }
  if (const char* const wanted = std::getenv("BACKSTAY_SIM_SEEDS"); wanted != nullptr) {
    if (const auto number = number_of(wanted)) count = *number;
  }
  const auto began = std::chrono::steady_clock::now();
  if (!seed)
    seed = static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
  fmt::print("{} schedules from seed {}\n", count, *seed);
  std::fflush(stdout);
  for (std::uint64_t i = 0; i < count; ++i) {
    std::function<void(const std::string&)> story;
    if (tell) story = [](const std::string& line) { fmt::print("{}\n", line); };
    const std::string violated = backstay::sim::World(*seed + i, story).run();
    if (violated.empty()) continue;
    fmt::print("seed {} violates: {}\nsee it again with: simulate --seed {} --count 1 --tell\n",
               *seed + i, violated, *seed + i);
    return 1;
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  fmt::print("all hold; {:.1f} s, {:.2f} ms each\n", took.count(),
             took.count() * 1000 / static_cast<double>(count));
  return 0;
}
