#include "backend/served/protocol.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "base/try.h"
#include "json/json.h"
#include "json/reader.h"

namespace backstay::backend::served {
namespace {

std::unexpected<Error> unreadable(std::string_view what) {
  return fail(ErrorCode::kUnavailable,
              fmt::format("the store server's answer cannot be read: {}", what));
}

template <typename Number>
bool parse_number(std::string_view text, Number& number) {
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, number);
  return error == std::errc{} && end == last && !text.empty();
}

struct CodeStatus {
  ErrorCode code;
  int status;
};
// The first of a status is what it means without a code.
constexpr std::array kStatuses{
    CodeStatus{ErrorCode::kNotFound, 404},         CodeStatus{ErrorCode::kNoRepository, 404},
    CodeStatus{ErrorCode::kAlreadyExists, 412},    CodeStatus{ErrorCode::kCorruption, 422},
    CodeStatus{ErrorCode::kUnavailable, 503},      CodeStatus{ErrorCode::kPermissionDenied, 403},
    CodeStatus{ErrorCode::kPermissionDenied, 401}, CodeStatus{ErrorCode::kConflict, 409},
    CodeStatus{ErrorCode::kInvalidArgument, 400},  CodeStatus{ErrorCode::kUnsupported, 501},
    CodeStatus{ErrorCode::kUnsupported, 405},      CodeStatus{ErrorCode::kNoSpace, 507},
    CodeStatus{ErrorCode::kCorruption, 416},       CodeStatus{ErrorCode::kInternal, 500},
};

ErrorCode code_of(int status) {
  if (status == 404 || status == 412) return ErrorCode::kUnavailable;
  const auto* const found = std::ranges::find(kStatuses, status, &CodeStatus::status);
  if (found != kStatuses.end() && status != 500) return found->code;
  return status >= 500 ? ErrorCode::kUnavailable : ErrorCode::kInvalidArgument;
}

std::optional<ErrorCode> code_named(std::string_view name) {
  const auto* const found = std::ranges::find_if(
      kStatuses, [&](const CodeStatus& one) { return to_string(one.code) == name; });
  if (found == kStatuses.end()) return std::nullopt;
  return found->code;
}

}  // namespace

std::string write_time(Timestamp time) {
  return fmt::format("{}.{:09}", time.seconds, time.nanos);
}

Result<Timestamp> read_time(std::string_view text) {
  const std::size_t stop = std::min(text.size(), text.find('.'));
  const std::string_view nanos = text.substr(std::min(text.size(), stop + 1));
  Timestamp time;
  const bool good = parse_number(text.substr(0, stop), time.seconds) && nanos.size() == 9 &&
                    parse_number(nanos, time.nanos);
  if (!good) return unreadable("a time");
  return time;
}

std::string write_listed(const ObjectInfo& info) {
  return fmt::format("{} {} {}\n", info.name, info.size_bytes, write_time(info.modified));
}

Result<ObjectInfo> read_listed(std::string_view line) {
  const std::size_t first = std::min(line.size(), line.find(' '));
  const std::size_t second = std::min(line.size(), line.find(' ', first + 1));
  ObjectInfo info;
  info.name = line.substr(0, first);
  if (second == line.size() || !validate_name(info.name) ||
      !parse_number(line.substr(first + 1, second - first - 1), info.size_bytes)) {
    return unreadable("a line of a listing");
  }
  info.modified = TRY(read_time(line.substr(second + 1)));
  return info;
}

int status_of(ErrorCode code) {
  const auto* const found = std::ranges::find(kStatuses, code, &CodeStatus::code);
  return found == kStatuses.end() ? 500 : found->status;
}

std::string write_error(const Error& error) {
  json::Json body = json::Json::object();
  body["code"] = to_string(error.code());
  body["message"] = error.describe();
  if (!error.hint().empty()) body["hint"] = error.hint();
  return json::to_line(body) + "\n";
}

Error read_error(int status, std::string_view code_header, std::string_view body) {
  std::string code;
  std::string message;
  std::string hint;
  const auto read = [&]() -> Result<void> {
    json::Reader reader(body);
    TRY(reader.enter_object());
    while (const auto key = TRY(reader.next_key())) {
      std::string* const into = *key == "code"      ? &code
                                : *key == "message" ? &message
                                : *key == "hint"    ? &hint
                                                    : nullptr;
      if (into == nullptr) {
        TRY(reader.skip());
      } else {
        *into = TRY(reader.string());
      }
    }
    return {};
  };
  if (!read()) code.clear();
  if (code.empty()) code = code_header;
  const auto named = code_named(code);
  std::string said =
      named && !message.empty() ? message : fmt::format("the store server answers {}", status);
  // An internal error there is none here; and what fails there for now may succeed later.
  const bool inner = named == ErrorCode::kInternal;
  Error error(inner ? ErrorCode::kUnavailable : named.value_or(code_of(status)), std::move(said));
  if (named && !hint.empty()) return std::move(error).with_hint(std::move(hint));
  return error;
}

namespace {

constexpr std::pair<std::string_view, bool Capabilities::*> kFlags[] = {
    {"conditional_create", &Capabilities::conditional_create},
    {"lists_at_once", &Capabilities::lists_at_once},
    {"server_time", &Capabilities::server_time},
    {"object_lock", &Capabilities::object_lock},
    {"lock_by_store", &Capabilities::lock_by_store},
    {"append_only", &Capabilities::append_only},
};

}  // namespace

std::string write_state(const StoreState& state) {
  json::Json body = json::Json::object();
  for (const auto& [name, flag] : kFlags) body[std::string(name)] = state.can.*flag;
  body["object_bytes_max"] = state.can.object_bytes_max;
  if (state.quota_bytes) {
    body["quota_bytes"] = *state.quota_bytes;
    body["used_bytes"] = state.used_bytes;
  }
  return json::to_line(body) + "\n";
}

namespace {

Result<void> read_part(const std::string& key, json::Reader& reader, StoreState& state) {
  for (const auto& [name, flag] : kFlags) {
    if (key != name) continue;
    state.can.*flag = TRY(reader.boolean());
    return {};
  }
  if (key == "object_bytes_max") {
    state.can.object_bytes_max = TRY(reader.number());
  } else if (key == "quota_bytes") {
    state.quota_bytes = TRY(reader.number());
  } else if (key == "used_bytes") {
    state.used_bytes = TRY(reader.number());
  } else {
    TRY(reader.skip());
  }
  return {};
}

Result<StoreState> read_parts(std::string_view text) {
  StoreState state;
  json::Reader reader(text);
  TRY(reader.enter_object());
  while (const auto key = TRY(reader.next_key())) TRY(read_part(*key, reader, state));
  return state;
}

}  // namespace

Result<StoreState> read_state(std::string_view text) {
  Result<StoreState> state = read_parts(text);
  if (!state) return unreadable(state.error().describe());
  return state;
}

std::optional<std::string_view> digest_in(std::string_view name) {
  constexpr std::array<std::string_view, 8> kKinds{"keys",      "data",  "meta", "index",
                                                   "snapshots", "holds", "tags", "parity"};
  constexpr std::size_t kDigits = 64;
  const std::string_view kind = name.substr(0, std::min(name.size(), name.find('/')));
  const bool named = std::ranges::find(kKinds, kind) != kKinds.end();
  const std::string_view last = name.substr(name.rfind('/') + 1);
  const bool at_end =
      last.size() == kDigits || kind == "holds" || kind == "tags" || kind == "epochs";
  if ((!named && kind != "epochs") || !at_end || last.size() < kDigits) return std::nullopt;
  if (last.size() > kDigits && last[last.size() - kDigits - 1] != '-') return std::nullopt;
  const std::string_view digest = last.substr(last.size() - kDigits);
  if (digest.find_first_not_of("0123456789abcdef") != std::string_view::npos) return std::nullopt;
  return digest;
}

Result<void> validate_repository(std::string_view name) {
  constexpr std::size_t kNameMax = 200;
  constexpr std::size_t kDepthMax = 8;
  std::size_t depth = 0;
  bool good = !name.empty() && name.size() <= kNameMax && !name.ends_with('/');
  for (std::string_view rest = name; good && !rest.empty();) {
    const std::string_view one = rest.substr(0, rest.find('/'));
    rest.remove_prefix(std::min(rest.size(), one.size() + 1));
    good = !one.empty() && one.front() != '.' && ++depth <= kDepthMax &&
           std::ranges::all_of(one, [](char c) {
             return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '.' || c == '_' || c == '-';
           });
  }
  if (good) return {};
  return std::unexpected(
      Error(ErrorCode::kInvalidArgument,
            fmt::format("'{}' is no name of a repository on a store server", name))
          .with_hint("It is made of letters, digits, '.', '_' and '-', in up to 8 parts with '/' "
                     "between them, none of which begins with '.'."));
}

}  // namespace backstay::backend::served
