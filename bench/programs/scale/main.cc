// bench_scale STEP ...: runs one step of bench/scale and says what it took, as one line of JSON.
#include <fmt/format.h>
#include <malloc.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <fstream>
#include <map>

#include "json/json.h"
#include "scale/steps.h"

namespace backstay::bench {
namespace {

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

// Peak resident memory of this process since it was started, without what the one that started it
// had: getrusage() counts that too.
std::uint64_t peak_resident_kib() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    std::uint64_t kib = 0;
    if (word == "VmHWM:" && status >> kib) return kib;
  }
  return 0;
}

int run(const ScaleOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  const Result<ScaleResult> result = run_step(options);
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
  if (!result) {
    fmt::print(stderr, "bench_scale: {}: {}\n", options.step, result.error().describe());
    return 1;
  }
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  json::Json line;
  line["step"] = options.step;
  line["entries"] = result->entries;
  line["bytes"] = result->bytes;
  line["wall_seconds"] = wall.count();
  line["cpu_seconds"] = seconds_of(used.ru_utime) + seconds_of(used.ru_stime);
  line["peak_resident_bytes"] = peak_resident_kib() * 1024;
  fmt::print("{}\n", json::to_line(line));
  return 0;
}

int main_of(int count, char** values) {
  // As the program itself does, or memory would not be comparable (src/cli/main.cc).
  ::mallopt(M_ARENA_MAX, 2);
  ::mallopt(M_MMAP_THRESHOLD, 32 * 1024 * 1024);
  ::mallopt(M_TRIM_THRESHOLD, 256 * 1024 * 1024);

  ScaleOptions options;
  CLI::App app("One step of bench/scale");
  app.add_option("step", options.step)->required();
  app.add_option("--repository", options.repository)->required();
  app.add_option("--cache", options.cache);
  app.add_option("--target", options.target);
  app.add_option("--entries", options.corpus.entries)->required();
  app.add_option("--file-bytes", options.corpus.file_bytes);
  app.add_option("--file", options.file);
  app.add_option("--kept-data-bytes", options.kept_data_bytes);
  app.add_option("--memory-limit", options.memory_limit);
  const std::map<std::string, Layout> layouts{{"tree", Layout::kTree},
                                              {"one-folder", Layout::kOneFolder}};
  const std::map<std::string, Texture> textures{{"noise", Texture::kNoise},
                                                {"text", Texture::kText}};
  app.add_option("--layout", options.corpus.layout)->transform(CLI::CheckedTransformer(layouts));
  app.add_option("--texture", options.corpus.texture)->transform(CLI::CheckedTransformer(textures));
  CLI11_PARSE(app, count, values);
  options.corpus.churned = options.step == "churn";
  return run(options);
}

}  // namespace
}  // namespace backstay::bench

int main(int count, char** values) {
  return backstay::bench::main_of(count, values);
}
