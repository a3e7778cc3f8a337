#include "store/tokens.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "crypto/random.h"
#include "io/file.h"
#include "io/testing/temporary_folder.h"

namespace backstay::store {
namespace {

const std::string kHash(64, 'a');

TEST(Tokens, AreReadLineByLine) {
  const auto tokens = parse_tokens("# who may what\n\n  web1 " + kHash +
                                   " create,read home,team/*\r\nall\t" + kHash + " delete *");
  ASSERT_TRUE(tokens.has_value()) << tokens.error().describe();
  ASSERT_EQ(tokens->size(), 2U);
  const Token& web = tokens->front();
  EXPECT_TRUE(web.rights.read && web.rights.create && !web.rights.remove);
  for (const char* const path : {"home", "team/a", "team/a/b"}) EXPECT_TRUE(web.covers(path));
  for (const char* const path : {"home2", "home/a", "team", "teams/a", ""}) {
    EXPECT_FALSE(web.covers(path)) << path;
  }
  EXPECT_TRUE(tokens->back().covers("anything/at/all"));
  EXPECT_EQ(write_token(web), "web1 " + kHash + " read,create home,team/*\n");
}

TEST(Tokens, AreRefusedWithTheLineThatIsWrong) {
  for (const std::string& line :
       {"web1 " + kHash + " read", "web1 " + kHash + " write home",
        std::string("web1 abc read home"), "we/b " + kHash + " read home",
        "web1 " + kHash + " read ../home", "web1 " + kHash + " read home more",
        "web1 " + kHash + " , home", "ok " + kHash + " read x"}) {
    const auto tokens = parse_tokens("ok " + kHash + " read home\n" + line + "\n");
    ASSERT_FALSE(tokens.has_value()) << line;
    EXPECT_EQ(tokens.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_NE(tokens.error().describe().find("line 2"), std::string::npos);
  }
}

TEST(Tokens, AreMadeOnceAndKeptAsHashes) {
  const io::TemporaryFolder folder;
  const std::string file = folder / "tokens";
  crypto::SystemRng rng;
  const NewToken made = add_token(file, "web1", {.read = true}, {"home"}, rng).value();
  const Bytes text = io::read_file(file, 10'000).value();
  EXPECT_EQ(as_text(text).find(made.secret), std::string::npos);
  EXPECT_EQ(add_token(file, "web1", {.read = true}, {"home"}, rng).error().code(),
            ErrorCode::kAlreadyExists);
  const auto tokens = Tokens::open(file).value();
  EXPECT_EQ(tokens->find(made.secret).value()->name, "web1");
  EXPECT_EQ(tokens->find("").value(), std::nullopt);
  EXPECT_EQ(tokens->find(made.secret + "0").value(), std::nullopt);
  ASSERT_TRUE(remove_token(file, "web1").has_value());
  EXPECT_EQ(tokens->find(made.secret).value(), std::nullopt);
  EXPECT_EQ(remove_token(file, "web1").error().code(), ErrorCode::kNotFound);
}

TEST(Tokens, AreChangedByOneAtATime) {
  const io::TemporaryFolder folder;
  const std::string file = folder / "tokens";
  crypto::SystemRng rng;
  ASSERT_TRUE(add_token(file, "web1", {.read = true}, {"home"}, rng).has_value());
  const io::Fd other = io::open_file(file + ".lock", io::OpenMode::kRead).value();
  ASSERT_TRUE(io::try_lock(other.get(), io::FileLock::kExclusive).value());
  EXPECT_EQ(add_token(file, "web2", {.read = true}, {"home"}, rng).error().code(),
            ErrorCode::kUnavailable);
  EXPECT_EQ(remove_token(file, "web1").error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(read_tokens(file)->size(), 1U);
}

TEST(Tokens, AreNotReadFromAFileThatOthersMayRead) {
  const io::TemporaryFolder folder;
  const std::string file = folder / "tokens";
  crypto::SystemRng rng;
  ASSERT_TRUE(add_token(file, "web1", {.read = true}, {"home"}, rng).has_value());
  ASSERT_EQ(::chmod(file.c_str(), 0640), 0);
  const auto opened = Tokens::open(file);
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_NE(opened.error().hint().find("chmod 600"), std::string::npos);
}

}  // namespace
}  // namespace backstay::store
