#include "backend/s3/role.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <vector>

#include "backend/s3/profile.h"
#include "backend/s3/token_service.h"
#include "base/try.h"

namespace backstay::backend::s3 {
namespace {

// Amazon's own programs have no limit but that profiles must not name each other in a circle.
constexpr std::size_t kProfilesMax = 10;

std::string setting_of(const Profile& profile, std::string_view key) {
  const auto found = profile.find(key);
  return found == profile.end() ? std::string() : found->second;
}

std::unexpected<Error> unusable(const std::string& profile, std::string_view why) {
  return std::unexpected(
      Error(ErrorCode::kPermissionDenied, fmt::format("the profile {} {}", profile, why))
          .with_hint("docs/backends/s3.md says what profiles may say."));
}

bool names_who_takes_it(const Profile& profile) {
  return !setting_of(profile, "role_arn").empty() &&
         (!setting_of(profile, "source_profile").empty() ||
          !setting_of(profile, "credential_source").empty());
}

// The service refuses other numbers in words that say little.
Result<std::string> duration_of(const Profile& profile, const std::string& name) {
  constexpr int kShortest = 900;
  constexpr int kLongest = 43'200;
  std::string text = setting_of(profile, "duration_seconds");
  if (text.empty()) return text;
  int seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  const bool good = error == std::errc{} && end == text.data() + text.size() &&
                    seconds >= kShortest && seconds <= kLongest;
  if (good) return text;
  return unusable(name, fmt::format("has duration_seconds = {}, which is not from {} to {}", text,
                                    kShortest, kLongest));
}

Result<Credentials> credentials_of_source(const CredentialWorld& world, const std::string& profile,
                                          const std::string& source) {
  CredentialWorld any = world;
  any.profile.clear();
  std::optional<Credentials> found;
  if (source == "Environment") {
    found = TRY(credentials_of_environment(any));
  } else if (source == "EcsContainer") {
    found = TRY(credentials_of_container(any));
  } else if (source == "Ec2InstanceMetadata") {
    found = TRY(credentials_of_machine(any));
  } else {
    return unusable(profile, fmt::format("has credential_source = {}, and not Environment, "
                                         "EcsContainer or Ec2InstanceMetadata",
                                         source));
  }
  if (found) return *std::move(found);
  return unusable(profile,
                  fmt::format("has credential_source = {}, where no credentials are", source));
}

// `asked` are the profiles that lead here, the one that is meant first.
Result<Credentials> take_role(const CredentialWorld& world, std::vector<std::string> asked);

// Those by which a role is taken: keys, or another role.
Result<Credentials> credentials_of_taker(const CredentialWorld& world, const Profile& profile,
                                         std::vector<std::string> asked) {
  const std::string& role_of = asked.back();
  const std::string source = setting_of(profile, "source_profile");
  const std::string place = setting_of(profile, "credential_source");
  if (!source.empty() && !place.empty()) {
    return unusable(role_of, "has both source_profile and credential_source");
  }
  if (source.empty()) return credentials_of_source(world, role_of, place);
  const Profile taker = TRY(read_profile(world.environment, source));
  Credentials keys{.access_key = setting_of(taker, "aws_access_key_id"),
                   .secret_key = setting_of(taker, "aws_secret_access_key"),
                   .session_token = setting_of(taker, "aws_session_token")};
  if (!keys.access_key.empty() && !keys.secret_key.empty()) return keys;
  if (!names_who_takes_it(taker)) {
    return unusable(source, "has neither keys nor a role whose taker is named");
  }
  const bool circle = std::ranges::find(asked, source) != asked.end();
  if (circle || asked.size() >= kProfilesMax) {
    return unusable(source, "takes its role, in the end, by itself");
  }
  asked.push_back(source);
  return take_role(world, std::move(asked));
}

Result<Credentials> take_role(const CredentialWorld& world, std::vector<std::string> asked) {
  const std::string name = asked.back();
  const Profile profile = TRY(read_profile(world.environment, name));
  if (!setting_of(profile, "mfa_serial").empty()) {
    return unusable(name, "wants a code of a device (mfa_serial), for which nobody is asked here");
  }
  const std::string session = setting_of(profile, "role_session_name");
  const std::string role = setting_of(profile, "role_arn");
  http::Parameters form{{"Action", "AssumeRole"},
                        {"RoleArn", role},
                        {"RoleSessionName", session.empty() ? "backstay" : session}};
  const auto add = [&](std::string_view key, const std::string& value) {
    if (!value.empty()) form.emplace_back(key, value);
  };
  add("ExternalId", setting_of(profile, "external_id"));
  add("DurationSeconds", TRY(duration_of(profile, name)));
  const Credentials taker = TRY(credentials_of_taker(world, profile, std::move(asked)));
  return TRY_DOING("asking for credentials of " + role,
                   ask_token_service(world, std::move(form), taker));
}

}  // namespace

Result<std::optional<Credentials>> credentials_of_role(const CredentialWorld& world,
                                                       const std::string& profile) {
  if (!names_who_takes_it(TRY(read_profile(world.environment, profile)))) {
    return std::optional<Credentials>();
  }
  return TRY(take_role(world, {profile}));
}

}  // namespace backstay::backend::s3
