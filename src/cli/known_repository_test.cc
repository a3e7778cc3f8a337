#include "cli/known_repository.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/file.h"
#include "io/testing/temporary_folder.h"

namespace backstay::cli {
namespace {

using testing::HasSubstr;

class Known : public testing::Test {
 protected:
  static KnownRepository repository(std::uint8_t id, std::uint32_t epochs) {
    KnownRepository known{.id = {}, .encrypted = true};
    known.id.bytes[0] = id;
    for (std::uint32_t number = 1; number <= epochs; ++number) {
      crypto::VerifyingKey signer;
      signer.bytes[0] = static_cast<std::uint8_t>(number);
      known.epochs.emplace(number, signer);
    }
    return known;
  }
  static std::string said(const KnownRepository& known, const KnownRepository& now) {
    const auto differs = difference(known, now);
    return differs ? differs->describe() : "";
  }

  io::TemporaryFolder folder_;
};

TEST_F(Known, IsReadAsItWasKept) {
  const KnownRepository known = repository(1, 3);
  EXPECT_FALSE(read_known(folder_.path(), "/place"));
  ASSERT_TRUE(keep_known(folder_.path(), "/place", known));
  EXPECT_EQ(read_known(folder_.path(), "/place"), known);
  EXPECT_FALSE(read_known(folder_.path(), "/other place"));
  ASSERT_TRUE(keep_known(folder_.path(), "/place", repository(2, 0)));
  EXPECT_EQ(read_known(folder_.path(), "/place"), repository(2, 0));
}

TEST_F(Known, IsNothingWithoutACache) {
  EXPECT_TRUE(keep_known("", "/place", repository(1, 1)));
  EXPECT_FALSE(read_known("", "/place"));
}

TEST_F(Known, ThatIsDamagedAnywhereIsNothing) {
  Bytes whole;
  encode_known(repository(1, 2), whole);
  ASSERT_TRUE(decode_known(whole));
  for (std::size_t at = 0; at < whole.size(); ++at) {
    Bytes changed = whole;
    changed[at] ^= 1;
    EXPECT_FALSE(decode_known(changed)) << at;
    EXPECT_FALSE(decode_known(ByteView(whole).first(at))) << at;
  }
}

TEST_F(Known, GoesOnWithNewEpochs) {
  EXPECT_EQ(said(repository(1, 1), repository(1, 4)), "");
  EXPECT_EQ(said(repository(1, 2), repository(1, 0)), "");  // before it is open
  EXPECT_EQ(said(repository(1, 0), repository(1, 2)), "");
  // A key slot that was made late may not have the first ones.
  KnownRepository late = repository(1, 3);
  late.epochs.erase(1);
  EXPECT_EQ(said(repository(1, 2), late), "");
}

TEST_F(Known, NoticesAnotherRepository) {
  EXPECT_THAT(said(repository(1, 1), repository(2, 1)), HasSubstr("another one"));
  KnownRepository plain = repository(2, 0);
  plain.encrypted = false;
  EXPECT_THAT(said(repository(1, 1), plain), HasSubstr("was encrypted"));
  EXPECT_THAT(said(plain, repository(1, 1)), HasSubstr("another one"));
  plain.id = repository(1, 1).id;
  EXPECT_THAT(said(repository(1, 1), plain), HasSubstr("was encrypted"));
}

TEST_F(Known, NoticesAForkAndARollback) {
  KnownRepository forked = repository(1, 4);
  forked.epochs[2].bytes[0] = 99;
  EXPECT_THAT(said(repository(1, 3), forked), HasSubstr("key epoch 2"));
  EXPECT_THAT(said(repository(1, 3), repository(1, 2)), HasSubstr("key epoch 3"));
}

}  // namespace
}  // namespace backstay::cli
