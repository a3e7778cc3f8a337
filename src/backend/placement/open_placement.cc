#include "backend/placement/open_placement.h"

#include <fmt/format.h>

#include "backend/placement/breaker.h"
#include "base/try.h"
#include "io/machine.h"

namespace backstay::backend::placement {
namespace {

// A store that fails has others beside it: nobody waits for it for a quarter of an hour.
constexpr RetryPolicy kRetries{.attempts_max = 4,
                               .pause_max = std::chrono::milliseconds(2'000),
                               .time_max = std::chrono::milliseconds(20'000)};

// Until what is known to be wrong with it is mended (docs/backends/placement.md).
Result<void> require_consent(const StoreWorld& world) {
  if (world.variable && world.variable("BACKSTAY_EXPERIMENTAL") == "placement") return {};
  return std::unexpected(
      Error(ErrorCode::kUnsupported,
            "repositories on many stores are not finished: where several stores fail while one is "
            "replaced, repaired or away, data may be lost")
          .with_hint("docs/backends/placement.md says how. To try it with data that may be lost, "
                     "set BACKSTAY_EXPERIMENTAL=placement."));
}

}  // namespace

Result<std::string> file_of(std::string_view url) {
  constexpr std::string_view kScheme = "placement:";
  std::string_view path = url;
  if (path.starts_with(kScheme)) path.remove_prefix(kScheme.size());
  if (path.empty()) {
    return std::unexpected(Error(ErrorCode::kInvalidArgument, "the placement has no file")
                               .with_hint("Write placement:FILE, with the path of a YAML file."));
  }
  if (path.front() == '/') return std::string(path);
  return TRY(io::current_directory()) + "/" + std::string(path);
}

StoreOpener store_opener(const MapFile& file, OpenKind kind, const StoreWorld& world) {
  StoreWorld inner = world;
  inner.retries = kRetries;
  return [file, kind, inner](const std::string& name) -> Result<std::unique_ptr<Backend>> {
    const FileStore* const store = file.find(name);
    if (store == nullptr) {
      return std::unexpected(
          Error(ErrorCode::kUnavailable,
                fmt::format("the placement file does not say where the store {} is", name))
              .with_hint("Add it to the file with its url."));
    }
    return std::make_unique<Breaker>(TRY(open_backend(store->url, kind, inner)), inner.clock);
  };
}

Result<std::unique_ptr<PlacementBackend>> open_placement_at(std::string_view url, OpenKind kind,
                                                            const StoreWorld& world) {
  TRY(require_consent(world));
  const std::string path = TRY(file_of(url));
  const MapFile file = TRY(read_map_file(path));
  const StoreOpener opener = store_opener(file, kind, world);
  const PlacementWorld around{.clock = world.clock,
                              .rng = world.rng,
                              .mend = kind == OpenKind::kRead ? Mend::kNothing : Mend::kWhatIsRead,
                              .note = world.note};
  const std::string what = "placement:" + path;
  if (kind == OpenKind::kCreate) return PlacementBackend::create(file, opener, what, around);
  return PlacementBackend::open(file, opener, what, around);
}

Result<std::unique_ptr<Backend>> open_placement(std::string_view url, OpenKind kind,
                                                const StoreWorld& world) {
  return TRY(open_placement_at(url, kind, world));
}

Result<void> check_placement_is_free(std::string_view url, const StoreWorld& world) {
  TRY(require_consent(world));
  TRY(read_map_file(TRY(file_of(url))));
  return {};
}

}  // namespace backstay::backend::placement
