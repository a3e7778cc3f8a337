#include "store/service.h"

#include <fmt/format.h>

#include <algorithm>

#include "backend/served/protocol.h"
#include "base/base64.h"
#include "base/try.h"
#include "http/url.h"
#include "io/file.h"
#include "store/asked.h"
#include "store/object_requests.h"
#include "store/restic_requests.h"

namespace backstay::store {
namespace {

namespace served = backend::served;

// Not a code of its own: it is the same to a client, but HTTP tells it apart.
constexpr std::string_view kNobodyKnown = "who asks is not known here";

std::unexpected<Error> not_known() {
  return fail(ErrorCode::kPermissionDenied, std::string(kNobodyKnown));
}

// What the header Authorization says: "Bearer TOKEN", or "Basic" with a name and a token.
struct Claim {
  std::string name;  // empty: it names nobody
  std::string secret;
};
Result<Claim> claim_of(std::string_view header) {
  constexpr std::string_view kBearer = "Bearer ";
  constexpr std::string_view kBasic = "Basic ";
  if (header.starts_with(kBearer)) {
    return Claim{.name = {}, .secret = std::string(header.substr(kBearer.size()))};
  }
  if (!header.starts_with(kBasic)) return not_known();
  const auto decoded = from_base64(header.substr(kBasic.size()));
  if (!decoded) return not_known();
  const std::string_view text = as_text(*decoded);
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0) return not_known();
  return Claim{.name = std::string(text.substr(0, colon)),
               .secret = std::string(text.substr(colon + 1))};
}

// Clients need not know where on the server the folder is.
std::string without(std::string text, const std::string& folder) {
  for (std::size_t at = text.find(folder); at != std::string::npos; at = text.find(folder, at)) {
    const bool slash = at + folder.size() < text.size() && text[at + folder.size()] == '/';
    text.erase(at, folder.size() + (slash ? 1 : 0));
  }
  return text;
}

Result<void> check_covers(const Token& who, std::string_view repository) {
  if (who.covers(repository)) return {};
  return fail(ErrorCode::kPermissionDenied,
              fmt::format("the token {} is not for the repository {}", who.name, repository));
}

}  // namespace

Service::Service(ServiceOptions options)
    : options_(std::move(options)), repositories_(options_.folder, options_.rules) {}

Result<std::unique_ptr<Service>> Service::open(ServiceOptions options) {
  while (options.folder.size() > 1 && options.folder.ends_with('/')) options.folder.pop_back();
  const auto info = io::file_info(options.folder);
  if (!info || !info->is_directory) {
    return std::unexpected(
        Error(ErrorCode::kNotFound, fmt::format("there is no folder {}", options.folder))
            .with_hint("Make it first, for the user that the server runs as: mkdir -m 700."));
  }
  std::unique_ptr<Service> service(new Service(std::move(options)));
  if (!service->options_.tokens_file.empty()) {
    service->tokens_ = TRY(Tokens::open(service->options_.tokens_file));
  }
  return service;
}

void Service::answer(http::Exchange& exchange) {
  const Result<void> answered = try_to_answer(exchange);
  if (answered || exchange.has_begun()) return;
  refuse(exchange, answered.error());
}

Result<void> Service::try_to_answer(http::Exchange& exchange) {
  const Token who = TRY(who_asks(exchange));
  exchange.set_user(who.name);
  constexpr std::string_view kOwn = "/v1/";
  const std::string_view path = exchange.head().path;
  if (path.starts_with(kOwn)) return answer_own(exchange, who, path.substr(kOwn.size()));
  if (options_.restic == ResticRequests::kAnswered) return answer_restic(exchange, who, path);
  return fail(ErrorCode::kNotFound, "there is nothing of that name");
}

Result<Token> Service::who_asks(http::Exchange& exchange) {
  if (tokens_ == nullptr) {
    return Token{.name = "-",
                 .hash = {},
                 .rights = {.read = true, .create = true, .remove = true},
                 .paths = {"*"}};
  }
  const Claim claim = TRY(claim_of(exchange.head().header("authorization").value_or("")));
  const auto asked = tokens_->find(claim.secret);
  if (!asked) {
    if (options_.complain) options_.complain(asked.error());
    return fail(ErrorCode::kUnavailable, "the store server cannot read who may do what");
  }
  const std::optional<Token>& found = *asked;
  if (!found || (!claim.name.empty() && claim.name != found->name)) return not_known();
  return *found;
}

// "REPOSITORY" or "REPOSITORY/what/is/asked".
Result<void> Service::answer_own(http::Exchange& exchange, const Token& who,
                                 std::string_view path) {
  const std::string_view encoded = path.substr(0, path.find('/'));
  const std::string_view below = path.substr(std::min(path.size(), encoded.size() + 1));
  const std::string name = TRY(http::percent_decoded(encoded));
  TRY(served::validate_repository(name));
  TRY(check_covers(who, name));
  const bool makes = below.empty() && exchange.head().method == "POST";
  if (makes && !who.rights.create) {
    return fail(ErrorCode::kPermissionDenied,
                fmt::format("the token {} has no right to create {}", who.name, name));
  }
  const auto repository = TRY(makes ? repositories_.create(name) : repositories_.open(name));
  return answer_request({exchange, *repository, who}, below);
}

Result<void> Service::answer_restic(http::Exchange& exchange, const Token& who,
                                    std::string_view path) {
  const ResticPath wanted = TRY(parse_restic_path(path));
  TRY(served::validate_repository(wanted.repository));
  TRY(check_covers(who, wanted.repository));
  const bool makes = wanted.type.empty() && exchange.head().method == "POST" &&
                     exchange.head().parameter("create") == "true";
  if (makes && !who.rights.create) {
    return fail(ErrorCode::kPermissionDenied,
                fmt::format("the token {} has no right to create {}", who.name, wanted.repository));
  }
  const auto repository =
      TRY(makes ? repositories_.create(wanted.repository) : repositories_.open(wanted.repository));
  return answer_restic_request({exchange, *repository, who}, wanted);
}

void Service::refuse(http::Exchange& exchange, const Error& error) const {
  const bool unknown = error.message() == kNobodyKnown;
  Error said(error.code(), without(error.describe(), options_.folder));
  if (!error.hint().empty()) {
    said = std::move(said).with_hint(without(error.hint(), options_.folder));
  }
  std::vector<http::Header> headers{
      {"Content-Type", "application/json"},
      {std::string(served::kCodeHeader), std::string(to_string(error.code()))}};
  if (unknown) headers.push_back({"WWW-Authenticate", "Basic realm=\"backstay\""});
  const int status = unknown ? 401 : served::status_of(error.code());
  // Whoever asked may be gone; the log has the status.
  static_cast<void>(
      exchange.send(status, headers, as_bytes(served::write_error(said))).has_value());
}

}  // namespace backstay::store
