#include "backend/open.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "backend/azure/open_azure.h"
#include "backend/free_place.h"
#include "backend/ftp/open_ftp.h"
#include "backend/local_backend.h"
#include "backend/placement/open_placement.h"
#include "backend/s3/open_s3.h"
#include "backend/served/open_served.h"
#include "backend/sftp/open_sftp.h"
#include "backend/tuned_backend.h"
#include "backend/webdav/open_webdav.h"
#include "base/try.h"
#include "http/url.h"
#include "io/file.h"
#include "io/machine.h"

namespace backstay::backend {
namespace {

// Who tries again when a store fails for now.
enum class Retried : std::uint8_t { kHere, kByItself };

// Kinds of stores that are not a folder.
struct Scheme {
  std::string_view name;
  Retried retried;
  Result<std::unique_ptr<Backend>> (*open)(std::string_view url, OpenKind kind,
                                           const StoreWorld& world);
  Result<void> (*check_is_free)(std::string_view url, const StoreWorld& world);
};
constexpr Scheme kSchemes[] = {
    {.name = "azure",
     .retried = Retried::kHere,
     .open = azure::open_azure,
     .check_is_free = azure::check_azure_is_free},
    {.name = "backstay",
     .retried = Retried::kHere,
     .open = served::open_served,
     .check_is_free = served::check_served_is_free},
    {.name = "backstays",
     .retried = Retried::kHere,
     .open = served::open_served,
     .check_is_free = served::check_served_is_free},
    {.name = "ftp",
     .retried = Retried::kHere,
     .open = ftp::open_ftp,
     .check_is_free = ftp::check_ftp_is_free},
    {.name = "ftps",
     .retried = Retried::kHere,
     .open = ftp::open_ftp,
     .check_is_free = ftp::check_ftp_is_free},
    {.name = "placement",
     .retried = Retried::kByItself,
     .open = placement::open_placement,
     .check_is_free = placement::check_placement_is_free},
    {.name = "s3",
     .retried = Retried::kHere,
     .open = s3::open_s3,
     .check_is_free = s3::check_s3_is_free},
    {.name = "sftp",
     .retried = Retried::kHere,
     .open = sftp::open_sftp,
     .check_is_free = sftp::check_sftp_is_free},
    {.name = "webdav",
     .retried = Retried::kHere,
     .open = webdav::open_webdav,
     .check_is_free = webdav::check_webdav_is_free},
    {.name = "webdavs",
     .retried = Retried::kHere,
     .open = webdav::open_webdav,
     .check_is_free = webdav::check_webdav_is_free},
};

const Scheme* scheme_with_opener(std::string_view url) {
  const std::string_view name = scheme_of(url);
  const Scheme* const found = std::ranges::find(kSchemes, name, &Scheme::name);
  return found == std::end(kSchemes) ? nullptr : found;
}

Result<std::string> path_of_file_url(std::string_view url) {
  constexpr std::string_view kStart = "file://";
  std::string_view rest = url;
  if (rest.starts_with(kStart)) rest.remove_prefix(kStart.size());
  if (rest.starts_with("localhost/")) rest.remove_prefix(std::string_view("localhost").size());
  if (!url.starts_with(kStart) || !rest.starts_with('/')) {
    return std::unexpected(
        Error(ErrorCode::kInvalidArgument, fmt::format("{} is not the URL of a folder", url))
            .with_hint("Write file:///path with three slashes, or simply the path."));
  }
  return TRY_DOING(fmt::format("reading the URL {}", url), http::percent_decoded(rest));
}

Result<std::string> path_of(std::string_view url) {
  if (url.empty() || url.contains('\0')) {
    return fail(ErrorCode::kInvalidArgument, "the URL of the repository is empty");
  }
  const std::string_view scheme = scheme_of(url);
  if (scheme == "file") return path_of_file_url(url);
  if (!scheme.empty()) {
    // Only the scheme is shown: the rest may hold credentials.
    return std::unexpected(
        Error(ErrorCode::kInvalidArgument,
              fmt::format("repositories of the kind '{}:' are not supported", scheme))
            .with_hint(
                "This version keeps repositories in folders, in S3, in Azure, on SFTP, FTP and "
                "WebDAV servers, on Backstay's own, and on several of those at once: give "
                "/path, file:///path, s3://BUCKET/PREFIX, azure://CONTAINER/PREFIX, "
                "sftp://USER@HOST/PATH, ftps://USER@HOST/PATH, webdavs://USER@HOST/PATH, "
                "backstays://HOST/NAME or placement:FILE (or ./name for a name with a colon)."));
  }
  if (url.front() == '/') return std::string(url);
  return TRY(io::current_directory()) + "/" + std::string(url);
}

// Where it begins is what was good on most of the lines that were tried (docs/performance.md).
std::unique_ptr<Backend> tuned(std::unique_ptr<Backend> store, const StoreWorld& world) {
  constexpr std::size_t kMost = 16;
  const std::size_t own = store->capabilities().transfers_max;
  const std::size_t most = own == 0 ? kMost : std::min(own, kMost);
  const TunedBackend::Limits limits{.up = {.first = 4, .most = most},
                                    .down = {.first = 8, .most = most}};
  return std::make_unique<TunedBackend>(std::move(store), limits, world.clock,
                                        world.tell_transfers);
}

}  // namespace

std::string_view scheme_of(std::string_view url) {
  const std::size_t end = url.find_first_of(":/");
  if (end == std::string_view::npos || url[end] == '/') return {};
  return url.substr(0, end);
}

Result<void> check_is_free(std::string_view url, const StoreWorld& world) {
  if (const Scheme* const scheme = scheme_with_opener(url))
    return scheme->check_is_free(url, world);
  const std::string path = TRY(path_of(url));
  const auto names = io::list_directory(path);
  // Where there is no folder, or none that may be read, the attempt to make one says what is wrong.
  if (!names) return {};
  return check_folder_is_free(path, *names);
}

Result<std::unique_ptr<Backend>> open_backend(std::string_view url, OpenKind kind,
                                              const StoreWorld& world) {
  if (const Scheme* const scheme = scheme_with_opener(url)) {
    if (scheme->retried == Retried::kByItself) return scheme->open(url, kind, world);
    return std::make_unique<RetryBackend>(tuned(TRY(scheme->open(url, kind, world)), world),
                                          world.retries,
                                          RetryBackend::World{.clock = world.clock,
                                                              .rng = world.rng,
                                                              .sleep = sleep_unless(world.stop),
                                                              .stop = world.stop,
                                                              .note = world.note_retry});
  }
  std::string path = TRY(path_of(url));
  if (kind == OpenKind::kCreate) return TRY(LocalBackend::create(std::move(path)));
  return TRY(LocalBackend::open(std::move(path), kind == OpenKind::kRead
                                                     ? LocalBackend::Leftovers::kStay
                                                     : LocalBackend::Leftovers::kGo));
}

}  // namespace backstay::backend
