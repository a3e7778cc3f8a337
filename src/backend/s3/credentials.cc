#include "backend/s3/credentials.h"

#include <fmt/format.h>

#include <array>

#include "backend/s3/profile.h"
#include "backend/s3/role.h"
#include "backend/s3/token_service.h"
#include "base/try.h"
#include "http/url.h"
#include "io/file.h"
#include "json/reader.h"

namespace backstay::backend::s3 {
namespace {

using Found = Result<std::optional<Credentials>>;

constexpr std::uint64_t kTokenMax = 64 * 1024;
// They are asked for anew so long before they end, because a call may take a while.
constexpr std::int64_t kAheadSeconds = 300;

std::string without_line_end(std::string_view text) {
  while (text.ends_with('\n') || text.ends_with('\r') || text.ends_with(' ')) {
    text.remove_suffix(1);
  }
  return std::string(text);
}

Result<std::string> read_token(const std::string& path) {
  const Bytes bytes = TRY(io::read_file(path, kTokenMax));
  return without_line_end(as_text(bytes));
}

// The answer of the container's and of the machine's endpoint.
Result<Credentials> parse_credentials(ByteView text) {
  json::Reader reader(as_text(text));
  Credentials credentials;
  TRY(reader.enter_object());
  while (const auto key = TRY(reader.next_key())) {
    std::string expires;
    std::string* const into = *key == "AccessKeyId"       ? &credentials.access_key
                              : *key == "SecretAccessKey" ? &credentials.secret_key
                              : *key == "Token"           ? &credentials.session_token
                              : *key == "Expiration"      ? &expires
                                                          : nullptr;
    if (into == nullptr || reader.take_null()) {
      if (into == nullptr) TRY(reader.skip());
      continue;
    }
    *into = TRY(reader.string());
    if (!expires.empty()) credentials.expires = TRY(parse_time(expires, {}));
  }
  if (credentials.access_key.empty() || credentials.secret_key.empty()) {
    return fail(ErrorCode::kCorruption, "the answer has no key");
  }
  return credentials;
}

}  // namespace

Found credentials_of_environment(const CredentialWorld& world) {
  // A profile that was asked for is meant instead.
  const auto access = world.environment("AWS_ACCESS_KEY_ID");
  const auto secret = world.environment("AWS_SECRET_ACCESS_KEY");
  if (!world.profile.empty() || (!access && !secret)) return std::optional<Credentials>();
  if (!access || !secret) {
    return fail(ErrorCode::kPermissionDenied,
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be set both");
  }
  return Credentials{.access_key = *access,
                     .secret_key = *secret,
                     .session_token = world.environment("AWS_SESSION_TOKEN").value_or("")};
}

Found credentials_of_profile(const CredentialWorld& world) {
  const std::string name = profile_name(world.environment, world.profile);
  // As Amazon's programs do: whoever names a role wants it, also where there are keys.
  if (auto role = TRY(credentials_of_role(world, name))) return role;
  const Profile profile = TRY(read_profile(world.environment, name));
  const auto setting = [&](std::string_view key) {
    const auto found = profile.find(key);
    return found == profile.end() ? std::string() : found->second;
  };
  Credentials credentials{.access_key = setting("aws_access_key_id"),
                          .secret_key = setting("aws_secret_access_key"),
                          .session_token = setting("aws_session_token")};
  if (!credentials.access_key.empty() && !credentials.secret_key.empty()) return credentials;
  if (!world.profile.empty() && setting("web_identity_token_file").empty()) {
    return fail(ErrorCode::kPermissionDenied,
                fmt::format("the profile {} has no aws_access_key_id and aws_secret_access_key",
                            world.profile));
  }
  return std::optional<Credentials>();
}

Found credentials_of_web_identity(const CredentialWorld& world) {
  const Profile profile =
      TRY(read_profile(world.environment, profile_name(world.environment, world.profile)));
  const auto setting = [&](std::string_view variable, std::string_view key) {
    const auto found = profile.find(key);
    return world.environment(variable).value_or(found == profile.end() ? "" : found->second);
  };
  const std::string file = setting("AWS_WEB_IDENTITY_TOKEN_FILE", "web_identity_token_file");
  const std::string role = setting("AWS_ROLE_ARN", "role_arn");
  if (file.empty() || role.empty()) return std::optional<Credentials>();
  const std::string session = setting("AWS_ROLE_SESSION_NAME", "role_session_name");
  http::Parameters form{
      {"Action", "AssumeRoleWithWebIdentity"},
      {"RoleArn", role},
      {"RoleSessionName", session.empty() ? "backstay" : session},
      {"WebIdentityToken", TRY_DOING("reading the web identity", read_token(file))}};
  return TRY_DOING("asking for credentials of " + role,
                   ask_token_service(world, std::move(form), std::nullopt));
}

Found credentials_of_container(const CredentialWorld& world) {
  const auto relative = world.environment("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  const auto full = world.environment("AWS_CONTAINER_CREDENTIALS_FULL_URI");
  if (!relative && !full) return std::optional<Credentials>();
  http::Request request{.url = relative ? "http://169.254.170.2" + *relative : *full};
  std::string token = world.environment("AWS_CONTAINER_AUTHORIZATION_TOKEN").value_or("");
  if (const auto file = world.environment("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")) {
    token = TRY_DOING("reading the container's token", read_token(*file));
  }
  if (!token.empty()) request.headers.push_back({"Authorization", token});
  constexpr std::string_view kDoing = "asking the container's endpoint for credentials";
  const http::Response response =
      TRY_DOING(std::string(kDoing), ask_for_credentials(world.nearby_client, request));
  return TRY_DOING(std::string(kDoing), parse_credentials(response.body));
}

// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html, version 2.
Found credentials_of_machine(const CredentialWorld& world) {
  if (world.environment("AWS_EC2_METADATA_DISABLED") == "true") return std::optional<Credentials>();
  std::string base =
      world.environment("AWS_EC2_METADATA_SERVICE_ENDPOINT").value_or("http://169.254.169.254");
  while (base.ends_with('/')) base.pop_back();
  base += "/latest/";
  const StreamedBytes nothing{};
  const Result<http::Response> token =
      world.nearby_client.call({.method = "PUT",
                                .url = base + "api/token",
                                .headers = {{"X-aws-ec2-metadata-token-ttl-seconds", "21600"}},
                                .body = &nothing});
  if (!token && token.error().code() == ErrorCode::kCancelled) {
    return std::unexpected(token.error().clone());
  }
  if (!token || !token->succeeded()) return std::optional<Credentials>();  // no such machine
  const auto ask = [&](const std::string& path) {
    return ask_for_credentials(
        world.nearby_client,
        {.url = base + "meta-data/iam/security-credentials/" + path,
         .headers = {{"X-aws-ec2-metadata-token", without_line_end(as_text(token->body))}}});
  };
  constexpr std::string_view kDoing = "asking the machine's endpoint for credentials";
  const http::Response roles = TRY_DOING(std::string(kDoing), ask(""));
  const std::string role(as_text(roles.body).substr(0, as_text(roles.body).find('\n')));
  const http::Response response =
      TRY_DOING(std::string(kDoing),
                ask(http::percent_encoded(without_line_end(role), http::Slashes::kEncoded)));
  return TRY_DOING(std::string(kDoing), parse_credentials(response.body));
}

std::string configured_region(const CredentialWorld& world) {
  if (auto region = world.environment("AWS_REGION")) return *region;
  if (auto region = world.environment("AWS_DEFAULT_REGION")) return *region;
  const Result<Profile> profile =
      read_profile(world.environment, profile_name(world.environment, world.profile));
  if (!profile) return {};
  const auto found = profile->find("region");
  return found == profile->end() ? std::string() : found->second;
}

Result<Credentials> CredentialChain::find() const {
  constexpr std::array<CredentialSource, 5> kSources{
      &credentials_of_environment, &credentials_of_profile, &credentials_of_web_identity,
      &credentials_of_container, &credentials_of_machine};
  for (const CredentialSource source : kSources) {
    std::optional<Credentials> found = TRY(source(world_));
    if (found) return *std::move(found);
  }
  return std::unexpected(
      Error(ErrorCode::kPermissionDenied, "there are no credentials for the store")
          .with_hint("Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or put them into "
                     "~/.aws/credentials (docs/backends/s3.md)."));
}

bool CredentialChain::is_fresh() const {
  if (!known_) return false;
  return !known_->expires || world_.clock.now().seconds + kAheadSeconds < known_->expires->seconds;
}

Result<Credentials> CredentialChain::current() {
  {
    const MutexLock lock(mutex_);
    if (is_fresh()) return *known_;
  }
  // Several threads may ask at once; each gets good ones.
  Result<Credentials> found = find();
  const MutexLock lock(mutex_);
  if (found) {
    known_ = *found;
    return found;
  }
  // Those that hold for some minutes more are better than none.
  const bool still_good = known_ && found.error().code() != ErrorCode::kCancelled &&
                          world_.clock.now() < known_->expires.value_or(Timestamp{});
  if (still_good) return *known_;
  return std::unexpected(std::move(found).error());
}

void CredentialChain::expired(const Credentials& refused) {
  const MutexLock lock(mutex_);
  if (known_ && known_->access_key == refused.access_key) known_.reset();
}

}  // namespace backstay::backend::s3
