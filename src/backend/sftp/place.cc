#include "backend/sftp/place.h"

#include <fmt/format.h>

#include "base/try.h"
#include "http/url.h"

namespace backstay::backend::sftp {

static std::unexpected<Error> no_place(std::string_view why) {
  return std::unexpected(
      Error(ErrorCode::kInvalidArgument, fmt::format("the sftp:// URL {}", why))
          .with_hint("Write sftp://USER@HOST:PORT/PATH; /~/PATH is below the login's own folder."));
}

Result<Place> parse_place(std::string_view text) {
  http::Url url = TRY_DOING("reading the sftp:// URL", http::parse_url(text));
  if (url.scheme != "sftp") return no_place("does not begin with sftp://");
  if (url.host.empty() || url.host.starts_with('-')) return no_place("names no host");
  if (url.user.starts_with('-')) return no_place("names no user");
  if (!url.query.empty()) return no_place("has a '?': in a path that is written %3F");
  if (url.path.empty()) return no_place("has no path");
  while (url.path.size() > 1 && url.path.ends_with('/')) url.path.pop_back();
  Place place{.user = url.user, .host = url.host, .port = url.port, .path = url.path, .url = {}};
  place.url = "sftp://";
  if (!url.user.empty())
    place.url += http::percent_encoded(url.user, http::Slashes::kEncoded) + "@";
  place.url += http::authority(url.host, url.port);
  place.url += http::percent_encoded(url.path, http::Slashes::kStay);
  if (place.path == "/~") place.path = ".";
  if (place.path.starts_with("/~/")) place.path.erase(0, 3);
  return place;
}

}  // namespace backstay::backend::sftp
