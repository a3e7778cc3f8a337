#include "cli/passphrase.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "base/rng.h"
#include "cli/global_options.h"
#include "cli/session.h"
#include "crypto/words.h"
#include "io/testing/temporary_folder.h"

namespace backstay::cli {
namespace {

using testing::HasSubstr;

class Variables final : public Environment {
 public:
  std::map<std::string, std::string, std::less<>> values;
  [[nodiscard]] std::optional<std::string> get(std::string_view name) const override {
    const auto found = values.find(name);
    if (found == values.end()) return std::nullopt;
    return found->second;
  }
};

class Passphrases : public testing::Test {
 protected:
  std::string file(const std::string& name, std::string_view content) {
    const ByteView bytes = as_bytes(content);
    EXPECT_TRUE(io::create_file(folder_ / name, {&bytes, 1}, io::Durability::kUnsynced));
    return folder_ / name;
  }
  Result<std::optional<repo::Credential>> given() {
    return given_credential(options_, variables_, {});
  }
  std::string passphrase() {
    const auto credential = given();
    if (!credential) return "failed: " + credential.error().describe();
    if (!*credential) return "none";
    return (*credential)->passphrase.value_or("no passphrase");
  }

  io::TemporaryFolder folder_;
  GlobalOptions options_;
  Variables variables_;
};

TEST_F(Passphrases, AreLookedForInTheOrderOfTheManual) {
  EXPECT_EQ(passphrase(), "none");
  variables_.values["BACKSTAY_PASSWORD_COMMAND"] = "printf from-variable-command";
  EXPECT_EQ(passphrase(), "from-variable-command");
  variables_.values["BACKSTAY_PASSWORD_FILE"] = file("a", "from-variable-file");
  EXPECT_EQ(passphrase(), "from-variable-file");
  variables_.values["BACKSTAY_PASSWORD"] = "from-variable";
  EXPECT_EQ(passphrase(), "from-variable");
  options_.password_command = "printf from-option-command";
  EXPECT_EQ(passphrase(), "from-option-command");
  options_.password_command.clear();
  options_.password_file = file("b", "from-option-file");
  EXPECT_EQ(passphrase(), "from-option-file");
}

TEST_F(Passphrases, LoseOneLineEndAndNothingElse) {
  for (const auto& [content, expected] :
       std::map<std::string, std::string>{{"secret\n", "secret"},
                                          {"secret\r\n", "secret"},
                                          {"secret", "secret"},
                                          {" two words \n\n", " two words \n"},
                                          {"caf\xE9\n", "caf\xE9"}}) {
    options_.password_file = file("p", content);
    EXPECT_EQ(passphrase(), expected);
    ASSERT_TRUE(io::remove_file(options_.password_file));
  }
}

TEST_F(Passphrases, OfCommandsMayHaveQuotedWords) {
  options_.password_command = "printf '%s %s' \"two words\" end";
  EXPECT_EQ(passphrase(), "two words end");
}

TEST_F(Passphrases, OfFailingCommandsAreNotTaken) {
  options_.password_command = "sh -c 'echo half; exit 7'";
  EXPECT_THAT(passphrase(), HasSubstr("ended with status 7"));
  options_.password_command = "/no/such/program";
  EXPECT_THAT(passphrase(), HasSubstr("/no/such/program"));
}

TEST_F(Passphrases, OfCommandsThatTakeTooLongAreNotWaitedFor) {
  options_.key_timeout = std::chrono::seconds(1);
  options_.password_command = "sh -c 'echo half; exec sleep 100'";
  const auto refused = given();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_THAT(refused.error().describe(), HasSubstr("within 1 s"));
}

// Who is left behind does not keep this test's standard error: a runner of tests waits for its end.
TEST_F(Passphrases, OfCommandsThatLeaveSomebodyBehindAreTaken) {
  options_.password_command = "sh -c 'echo whole; sleep 100 2>/dev/null &'";
  EXPECT_EQ(passphrase(), "whole");
}

TEST_F(Passphrases, MustNotBeEmptyOrAbsent) {
  options_.password_file = file("empty", "\n");
  EXPECT_EQ(passphrase(), "failed: the passphrase is empty");
  options_.password_file = folder_ / "missing";
  EXPECT_THAT(passphrase(), HasSubstr("missing"));
}

TEST_F(Passphrases, ComeFromOneOptionOnly) {
  options_.password_file = file("x", "x");
  options_.password_command = "printf x";
  const auto credential = given();
  ASSERT_FALSE(credential);
  EXPECT_EQ(credential.error().code(), ErrorCode::kInvalidArgument);
}

TEST_F(Passphrases, GiveWayToARecoveryKey) {
  SeededRng rng(3);
  const crypto::Secret secret = crypto::Secret::random(rng);
  variables_.values["BACKSTAY_PASSWORD"] = "unused";
  variables_.values["BACKSTAY_RECOVERY_KEY_FILE"] = file("words", crypto::to_words(secret) + "\n");
  const auto credential = given();
  ASSERT_TRUE(credential && *credential);
  ASSERT_TRUE((*credential)->recovery_key);
  EXPECT_TRUE(std::ranges::equal((*credential)->recovery_key->view(), secret.view()));
  options_.recovery_key_file = file("wrong", "lusab-babad");
  EXPECT_FALSE(given());
}

TEST(CacheFolder, IsLookedForInTheOrderOfTheManual) {
  GlobalOptions options;
  Variables variables;
  EXPECT_EQ(cache_folder(options, variables), "");
  variables.values["HOME"] = "/home/ann";
  EXPECT_EQ(cache_folder(options, variables), "/home/ann/.cache/backstay");
  variables.values["XDG_CACHE_HOME"] = "relative";
  EXPECT_EQ(cache_folder(options, variables), "/home/ann/.cache/backstay");
  variables.values["XDG_CACHE_HOME"] = "/var/cache";
  EXPECT_EQ(cache_folder(options, variables), "/var/cache/backstay");
  options.cache_directory = "/mine";
  EXPECT_EQ(cache_folder(options, variables), "/mine");
  options.no_cache = true;
  EXPECT_EQ(cache_folder(options, variables), "");
}

}  // namespace
}  // namespace backstay::cli
