#include "backend/webdav/dav_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "backend/remote/status.h"
#include "backend/webdav/answers.h"
#include "base/try.h"
#include "http/date.h"
#include "http/url.h"

namespace backstay::backend::webdav {
namespace {

using remote::Entry;
using remote::Kind;
using remote::Renamed;

// A folder of a repository with 100,000 objects in it takes a third of this.
constexpr std::uint64_t kListBytesMax = 128 << 20;

constexpr remote::StatusMeaning kStatuses[] = {
    {.status = 410, .code = ErrorCode::kNotFound},
    {.status = 423, .code = ErrorCode::kUnavailable},  // locked by somebody
    {.status = 425, .code = ErrorCode::kUnavailable},
};

std::string_view hint_of(int status) {
  switch (status) {
    case 401:
      return "Check the user in the URL (or BACKSTAY_WEBDAV_USER) and BACKSTAY_WEBDAV_PASSWORD.";
    case 403:
      return "The account needs to read, write, list and remove in this folder, also files that "
             "begin with a dot: docs/backends/webdav.md has what servers must let it do.";
    case 405:
    case 501:
      return "Is this the address of WebDAV? It must answer PROPFIND, PUT, MKCOL, MOVE and DELETE; "
             "nginx needs its module dav-ext for the first.";
    case 413:
      return "The server refuses files of that size: nginx has client_max_body_size for it, Apache "
             "LimitRequestBody.";
    case 507:
      return "The server's disk, or the account's quota, is full.";
    default:
      return status / 100 == 3
                 ? "The server sends elsewhere, where nobody follows with a password: "
                   "give the address where it sends, if it is to be trusted."
                 : "";
  }
}

// "bytes 5-9/100" of a 206 begins where it was asked to; a server that leaves it out is believed.
bool begins_at(const http::Response& response, std::uint64_t offset) {
  constexpr std::string_view kUnit = "bytes ";
  const auto range = response.header("content-range");
  if (!range || !range->starts_with(kUnit)) return true;
  std::uint64_t start = 0;
  const std::string_view text = range->substr(kUnit.size());
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), start);
  return error == std::errc{} && start == offset;
}

}  // namespace

std::string DavFiles::full_path(const std::string& path) const {
  return path.empty() ? options_.root : fmt::format("{}/{}", options_.root, path);
}

std::string DavFiles::url_of(const std::string& full_path) const {
  return fmt::format("{}://{}{}", options_.scheme, http::authority(options_.host, options_.port),
                     http::percent_encoded(full_path, http::Slashes::kStay));
}

std::optional<Timestamp> DavFiles::said_time() const {
  const MutexLock lock(mutex_);
  return said_time_;
}

Result<http::Response> DavFiles::ask(http::Request request, const std::string& full_path) {
  request.url = url_of(full_path);
  if (!options_.authorization.empty()) {
    request.headers.push_back({"Authorization", options_.authorization});
  }
  http::Response response = TRY_DOING("asking " + options_.place, client_.call(request));
  const auto date = http::parse_http_date(response.header("date").value_or(""));
  if (date) {
    const MutexLock lock(mutex_);
    said_time_ = *date;
  }
  return response;
}

// ---- what went wrong

Error DavFiles::meaning(const http::Response& response, const std::string& full_path) const {
  const std::string shown = http::authority(options_.host, options_.port) + full_path;
  if (response.status == 401 && options_.authorization.empty()) {
    return Error(ErrorCode::kPermissionDenied, fmt::format("{} wants a user and a password", shown))
        .with_hint(
            "Name the user in the URL (or in BACKSTAY_WEBDAV_USER), and give the password "
            "in BACKSTAY_WEBDAV_PASSWORD or a file that BACKSTAY_WEBDAV_PASSWORD_FILE "
            "names.");
  }
  Error error(remote::code_of_status(response.status, kStatuses),
              fmt::format("{}: the server answers {}", shown, response.status));
  if (const auto hint = hint_of(response.status); !hint.empty()) {
    return std::move(error).with_hint(std::string(hint));
  }
  return remote::with_pause(std::move(error), response);
}

bool DavFiles::is_below_a_file(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return false;
  const auto above = look(path.substr(0, slash));
  return above && above->kind != Kind::kFolder;
}

// Servers have many answers to who asks for what is below a file, or for a folder as if it were a
// file: a redirect, a list for people, a refusal.
Error DavFiles::failure(const http::Response& response, const std::string& path) {
  const int status = response.status;
  const bool odd =
      status / 100 == 3 || status == 400 || status == 403 || status == 405 || status == 409;
  if (odd) {
    const auto itself = propfind(full_path(path), "0");
    const bool folder = itself && itself->front().kind == Kind::kFolder;
    if (folder || is_below_a_file(path)) return {ErrorCode::kNotFound, path + " is no file"};
  }
  return meaning(response, full_path(path));
}

// ---- looking

Result<std::vector<Entry>> DavFiles::propfind(const std::string& full_path,
                                              std::string_view depth) {
  const ByteView text = as_bytes(propfind_body());
  const StreamedBytes body = streamed({&text, 1});
  const http::Response response =
      TRY(ask({.method = "PROPFIND",
               .headers = {{"Depth", std::string(depth)},
                           {"Content-Type", "application/xml; charset=utf-8"}},
               .body = &body,
               .answer_max = kListBytesMax},
              full_path));
  if (response.status != 207) {
    if (response.succeeded()) {
      return std::unexpected(
          Error(ErrorCode::kUnsupported, options_.place + " does not speak WebDAV")
              .with_hint("Is this the right address? It must answer PROPFIND."));
    }
    return std::unexpected(meaning(response, full_path));
  }
  std::string asked = full_path;
  while (asked.size() > 1 && asked.ends_with('/')) asked.pop_back();
  return TRY_DOING("listing " + options_.place,
                   parse_multistatus(response.body, asked.empty() ? "/" : asked));
}

Result<Entry> DavFiles::look(const std::string& path) {
  const std::string full = full_path(path);
  auto found = propfind(path.empty() ? full + "/" : full, "0");
  if (found) return std::move(found->front());
  // Apache's answer to what is below a file is 400.
  if (found.error().code() == ErrorCode::kInvalidArgument && is_below_a_file(path)) {
    return fail(ErrorCode::kNotFound, path + " is below a file");
  }
  return std::unexpected(std::move(found).error());
}

Result<std::vector<Entry>> DavFiles::read_folder(const std::string& path) {
  auto found = propfind(full_path(path) + "/", "1");
  // Apache's answer to a file that is asked for with a slash is 400.
  if (!found && found.error().code() == ErrorCode::kInvalidArgument) {
    const auto itself = propfind(full_path(path), "0");
    if (itself && itself->front().kind == Kind::kFile) {
      return fail(ErrorCode::kNotFound, full_path(path) + " is no folder");
    }
  }
  // What is there and could not be listed is never an empty list.
  if (!found) return found;
  if (found->front().kind == Kind::kFile) {
    return fail(ErrorCode::kNotFound, full_path(path) + " is no folder");
  }
  if (found->front().kind != Kind::kFolder) {
    return fail(ErrorCode::kUnsupported, full_path(path) + " is neither a file nor a folder");
  }
  found->erase(found->begin());
  return found;
}

// ---- writing

Result<void> DavFiles::make_collection(const std::string& full_path) {
  const http::Response response =
      TRY(ask({.method = "MKCOL"}, full_path + "/"));  // nginx makes none without the slash
  // 405: there is one already. Apache says 403 when somebody made it at the same moment.
  if (response.succeeded() || response.status == 405) return {};
  const auto there = propfind(full_path + "/", "0");
  if (there && there->front().kind == Kind::kFolder) return {};
  return std::unexpected(meaning(response, full_path));
}

Result<void> DavFiles::make_folder(const std::string& path) {
  return make_collection(full_path(path));
}

Result<void> DavFiles::make_root() {
  // From the outermost folder inwards, because whoever may not look at those above may still make
  // one in his own. What goes wrong is found by who looks at the root.
  Result<void> made;
  for (std::size_t slash = options_.root.find('/'); slash != std::string::npos;) {
    slash = options_.root.find('/', slash + 1);
    const std::string folder = options_.root.substr(0, slash);
    if (propfind(folder + "/", "0")) continue;
    made = make_collection(folder);
  }
  return made;
}

Result<void> DavFiles::write(const std::string& path, const StreamedBytes& bytes) {
  const http::Response response = TRY(ask({.method = "PUT", .body = &bytes}, full_path(path)));
  if (response.succeeded()) return {};
  // The folder of a file that is to be made: it is gone.
  if (response.status == 409) return fail(ErrorCode::kNotFound, "there is no folder for " + path);
  return std::unexpected(meaning(response, full_path(path)));
}

Result<Renamed> DavFiles::rename(const std::string& from, const std::string& to) {
  const http::Response response = TRY(ask(
      {.method = "MOVE", .headers = {{"Destination", url_of(full_path(to))}, {"Overwrite", "F"}}},
      full_path(from)));
  // 207 tells of parts that failed.
  if (response.succeeded() && response.status != 207) return Renamed::kDone;
  // A request whose answer was lost may have been sent again by the library.
  if ((response.status == 404 || response.status == 412) && !look(from)) {
    return fail(ErrorCode::kUnavailable, "the file that was to get a name is gone, or has it");
  }
  if (response.status == 412) return Renamed::kTaken;
  return std::unexpected(meaning(response, full_path(to)).with_context("giving a file its name"));
}

Result<std::string> DavFiles::mark(const std::string& path) {
  const http::Response response = TRY(ask({.method = "HEAD"}, full_path(path)));
  if (!response.succeeded()) return std::unexpected(failure(response, path));
  const auto etag = response.header("etag");
  // If-Match never holds for a weak one (RFC 9110, section 13.1.1), as Apache gives to files that
  // were changed a moment ago.
  if (etag && !etag->starts_with("W/")) return std::string(*etag);
  return fail(ErrorCode::kUnsupported, options_.place + " gives files no strong ETag");
}

Result<void> DavFiles::replace(const std::string& path, std::string_view mark, ByteView bytes) {
  const StreamedBytes body = streamed({&bytes, 1});
  const http::Response response =
      TRY(ask({.method = "PUT", .headers = {{"If-Match", std::string(mark)}}, .body = &body},
              full_path(path)));
  if (response.succeeded()) return {};
  if (response.status == 412) return fail(ErrorCode::kConflict, path + " is another now");
  return std::unexpected(meaning(response, full_path(path)));
}

Result<void> DavFiles::remove_file(const std::string& path) {
  const http::Response response = TRY(ask({.method = "DELETE"}, full_path(path)));
  if (response.status == 404 || (response.succeeded() && response.status != 207)) return {};
  Error error = failure(response, path);
  if (error.code() == ErrorCode::kNotFound) return {};
  return std::unexpected(std::move(error));
}

// ---- reading

Result<Bytes> DavFiles::read(const std::string& path, std::uint64_t size_max) {
  http::Response response = TRY(ask({.answer_max = size_max}, full_path(path)));
  if (response.status == 200) return std::move(response.body);
  return std::unexpected(failure(response, path));
}

Result<void> DavFiles::read_range(const std::string& path, std::uint64_t offset,
                                  MutableByteView out) {
  std::size_t got = 0;
  http::Request request;
  request.headers.push_back({"Range", fmt::format("bytes={}-{}", offset, offset + out.size() - 1)});
  request.sink = [&](ByteView piece) -> Result<void> {
    if (piece.size() > out.size() - got) {
      return fail(ErrorCode::kUnsupported, "the server gives more than was asked for");
    }
    std::ranges::copy(piece, out.begin() + static_cast<std::ptrdiff_t>(got));
    got += piece.size();
    return {};
  };
  const http::Response response = TRY(ask(std::move(request), full_path(path)));
  const bool whole = response.status == 200 && offset == 0;
  if (!whole && response.status == 200) {
    return fail(ErrorCode::kUnsupported, options_.place + " gives no part of a file but the whole");
  }
  if (!whole && response.status != 206) return std::unexpected(failure(response, path));
  if (!begins_at(response, offset)) {
    return fail(ErrorCode::kUnsupported, "the server gives another part than was asked for");
  }
  if (got == out.size()) return {};
  return fail(ErrorCode::kCorruption,
              fmt::format("{} ends before {} + {} bytes", path, offset, out.size()));
}

}  // namespace backstay::backend::webdav
