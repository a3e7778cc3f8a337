#include "backend/s3/credentials.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>

#include "backend/s3/profile.h"
#include "backend/testing/backend_contract.h"
#include "io/file.h"
#include "io/testing/server_process.h"
#include "io/testing/temporary_folder.h"

namespace backstay::backend::s3 {
namespace {

class S3Credentials : public ::testing::Test {
 protected:
  S3Credentials() { set("HOME", folder_.path()); }

  void set(const std::string& name, const std::string& value) { variables_[name] = value; }
  [[nodiscard]] CredentialWorld world(const std::string& profile = "") {
    const Lookup environment = [this](std::string_view name) -> std::optional<std::string> {
      const auto found = variables_.find(name);
      if (found == variables_.end()) return std::nullopt;
      return found->second;
    };
    return {environment, clock_, client_, client_, profile};
  }
  [[nodiscard]] std::string write(const std::string& name, std::string_view text) {
    const std::string path = folder_ / name;
    EXPECT_TRUE(io::replace_file(path, as_bytes(text)).has_value());
    return path;
  }

  io::TemporaryFolder folder_;
  std::map<std::string, std::string, std::less<>> variables_;
  TurnedClock clock_;
  http::Client client_{{.use_proxies = false}};
};

TEST_F(S3Credentials, ComeFromTheEnvironmentFirst) {
  set("AWS_ACCESS_KEY_ID", "A");
  EXPECT_EQ(credentials_of_environment(world()).error().code(), ErrorCode::kPermissionDenied);
  set("AWS_SECRET_ACCESS_KEY", "S");
  set("AWS_SESSION_TOKEN", "T");
  set("AWS_SHARED_CREDENTIALS_FILE",
      write("c", "[default]\naws_access_key_id=B\naws_secret_access_key=S\n"));
  CredentialChain chain(world());
  const Credentials found = chain.current().value();
  EXPECT_EQ(found.access_key, "A");
  EXPECT_EQ(found.session_token, "T");
}

TEST_F(S3Credentials, ComeFromTheProfileThatIsMeant) {
  set("AWS_SHARED_CREDENTIALS_FILE",
      write("c",
            "# mine\n[default]\naws_access_key_id = B\naws_secret_access_key=S=/+\n"
            "[work]\naws_access_key_id = C\naws_secret_access_key = S\n"));
  set("AWS_CONFIG_FILE",
      write("f",
            "[default]\nregion = here\n[ profile  work ]\nregion = there\ns3 =\n  region = no\n"));
  EXPECT_EQ(credentials_of_profile(world()).value()->access_key, "B");
  EXPECT_EQ(credentials_of_profile(world()).value()->secret_key, "S=/+");
  EXPECT_EQ(configured_region(world()), "here");
  set("AWS_PROFILE", "work");
  EXPECT_EQ(credentials_of_profile(world()).value()->access_key, "C");
  EXPECT_EQ(configured_region(world()), "there");
  set("AWS_REGION", "elsewhere");
  EXPECT_EQ(configured_region(world()), "elsewhere");
  // One that the URL names is meant more than the environment.
  set("AWS_ACCESS_KEY_ID", "A");
  set("AWS_SECRET_ACCESS_KEY", "S");
  EXPECT_EQ(CredentialChain(world("work")).current().value().access_key, "C");
  EXPECT_EQ(CredentialChain(world("none")).current().error().code(), ErrorCode::kPermissionDenied);
}

TEST_F(S3Credentials, ComeFromTheServicesThatGiveThem) {
  const io::ServerProcess server(
      {BACKSTAY_PYTHON, BACKSTAY_SOURCE_FOLDER "/tests/servers/s3_fake.py"});
  set("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.url("/"));
  const Credentials machine = credentials_of_machine(world()).value().value();
  EXPECT_TRUE(machine.access_key.starts_with("AK"));
  EXPECT_FALSE(machine.session_token.empty());
  EXPECT_TRUE(machine.expires.has_value());

  set("AWS_CONTAINER_CREDENTIALS_FULL_URI", server.url("/container"));
  set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", write("token", "container token\n"));
  EXPECT_NE(credentials_of_container(world()).value()->access_key, machine.access_key);
  set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", write("token", "another"));
  EXPECT_EQ(credentials_of_container(world()).error().code(), ErrorCode::kPermissionDenied);

  set("AWS_ENDPOINT_URL_STS", server.url("/sts"));
  set("AWS_ROLE_ARN", "arn:aws:iam::1:role/x");
  set("AWS_WEB_IDENTITY_TOKEN_FILE", write("identity", "web token\n"));
  EXPECT_TRUE(credentials_of_web_identity(world()).value()->expires.has_value());
  set("AWS_WEB_IDENTITY_TOKEN_FILE", write("identity", "geheim"));
  const auto refused = credentials_of_web_identity(world());
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(refused.error().describe().find("not you"), std::string::npos);
  EXPECT_EQ(refused.error().describe().find("geheim"), std::string::npos);
}

TEST_F(S3Credentials, AreThoseOfTheRoleThatTheProfileNames) {
  const io::ServerProcess server(
      {BACKSTAY_PYTHON, BACKSTAY_SOURCE_FOLDER "/tests/servers/s3_fake.py"});
  set("AWS_ENDPOINT_URL_STS", server.url("/sts/"));
  set("AWS_SHARED_CREDENTIALS_FILE",
      write("c",
            "[base]\naws_access_key_id = AKTEST\naws_secret_access_key = SKTEST\n"
            "[wrong]\naws_access_key_id = AKTEST\naws_secret_access_key = geheim\n"));
  set("AWS_CONFIG_FILE",
      write("f",
            "[profile role]\nrole_arn = arn:aws:iam::1:role/a\nsource_profile = base\n"
            "region = eu-1\nduration_seconds = 900\n"
            "[profile chained]\nrole_arn = arn:aws:iam::1:role/guarded\nexternal_id = ours\n"
            "source_profile = role\n"
            "[profile stranger]\nrole_arn = arn:aws:iam::1:role/guarded\nsource_profile = base\n"
            "[profile mistaken]\nrole_arn = arn:aws:iam::1:role/a\nsource_profile = wrong\n"
            "[profile here]\nrole_arn = arn:aws:iam::1:role/a\ncredential_source = Environment\n"
            "[profile machine]\nrole_arn = arn:aws:iam::1:role/a\n"
            "credential_source = Ec2InstanceMetadata\n"));
  const Credentials role = CredentialChain(world("role")).current().value();
  EXPECT_TRUE(role.access_key.starts_with("AK"));
  EXPECT_NE(role.access_key, "AKTEST");
  EXPECT_FALSE(role.session_token.empty());
  EXPECT_TRUE(role.expires.has_value());
  EXPECT_TRUE(CredentialChain(world("chained")).current().has_value()) << "a role by a role";
  for (const char* const refused : {"stranger", "mistaken", "here"}) {
    const auto none = CredentialChain(world(refused)).current();
    ASSERT_FALSE(none.has_value()) << refused;
    EXPECT_EQ(none.error().code(), ErrorCode::kPermissionDenied);
    EXPECT_EQ(none.error().describe().find("geheim"), std::string::npos);
  }
  set("AWS_ACCESS_KEY_ID", "AKTEST");
  set("AWS_SECRET_ACCESS_KEY", "SKTEST");
  EXPECT_NE(CredentialChain(world("here")).current().value().access_key, "AKTEST");
  set("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.url("/"));
  EXPECT_TRUE(CredentialChain(world("machine")).current().has_value());
}

TEST_F(S3Credentials, SayWhyARoleCannotBeTaken) {
  set("AWS_CONFIG_FILE",
      write("f",
            "[profile one]\nrole_arn = r\nsource_profile = two\n"
            "[profile two]\nrole_arn = r\nsource_profile = one\n"
            "[profile itself]\nrole_arn = r\nsource_profile = itself\n"
            "[profile nobody]\nrole_arn = r\nsource_profile = missing\n"
            "[profile both]\nrole_arn = r\nsource_profile = one\ncredential_source = Environment\n"
            "[profile place]\nrole_arn = r\ncredential_source = Elsewhere\n"
            "[profile device]\nrole_arn = r\nsource_profile = one\nmfa_serial = m\n"
            "[profile long]\nrole_arn = r\nsource_profile = one\nduration_seconds = 1h\n"));
  const auto why = [&](const std::string& profile) {
    const auto none = CredentialChain(world(profile)).current();
    EXPECT_FALSE(none.has_value()) << profile;
    if (none) return std::string();
    EXPECT_EQ(none.error().code(), ErrorCode::kPermissionDenied) << profile;
    EXPECT_FALSE(none.error().hint().empty()) << profile;
    return none.error().describe();
  };
  EXPECT_NE(why("one").find("by itself"), std::string::npos) << why("one");
  EXPECT_NE(why("itself").find("by itself"), std::string::npos);
  EXPECT_NE(why("nobody").find("missing has neither"), std::string::npos);
  EXPECT_NE(why("both").find("both"), std::string::npos);
  EXPECT_NE(why("place").find("Elsewhere"), std::string::npos);
  EXPECT_NE(why("device").find("mfa_serial"), std::string::npos);
  EXPECT_NE(why("long").find("duration_seconds"), std::string::npos);
}

TEST_F(S3Credentials, AreAskedForAnewBeforeTheyEnd) {
  const io::ServerProcess server(
      {BACKSTAY_PYTHON, BACKSTAY_SOURCE_FOLDER "/tests/servers/s3_fake.py"});
  set("AWS_CONTAINER_CREDENTIALS_FULL_URI", server.url("/container"));
  CredentialChain chain(world());
  const std::string first = chain.current().value().access_key;
  EXPECT_EQ(chain.current().value().access_key, first);
  clock_.turn(3600 - 120);
  const std::string second = chain.current().value().access_key;
  EXPECT_NE(second, first);
}

TEST_F(S3Credentials, AreUsedToTheirEndWhereNoneCanBeHadAnew) {
  set("AWS_EC2_METADATA_DISABLED", "true");
  std::optional<io::ServerProcess> server;
  server.emplace(std::vector<std::string>{BACKSTAY_PYTHON,
                                          BACKSTAY_SOURCE_FOLDER "/tests/servers/s3_fake.py"});
  set("AWS_CONTAINER_CREDENTIALS_FULL_URI", server->url("/container"));
  CredentialChain chain(world());
  const std::string first = chain.current().value().access_key;
  server.reset();
  clock_.turn(3600 - 120);
  EXPECT_EQ(chain.current().value().access_key, first);
  clock_.turn(180);
  EXPECT_FALSE(chain.current().has_value());
}

TEST_F(S3Credentials, AreMissedWithAHint) {
  set("AWS_EC2_METADATA_DISABLED", "true");
  CredentialChain chain(world());
  const auto none = chain.current();
  ASSERT_FALSE(none.has_value());
  EXPECT_NE(none.error().hint().find("AWS_ACCESS_KEY_ID"), std::string::npos);
}

}  // namespace
}  // namespace backstay::backend::s3
