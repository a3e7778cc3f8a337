#include "io/shared_library.h"

#include <gtest/gtest.h>

namespace backstay::io {
namespace {

TEST(SharedLibrary, FindsWhatALibraryHas) {
  const auto library = SharedLibrary::load("libm.so.6", "libc6");
  ASSERT_TRUE(library.has_value());
  double (*cosine)(double) = nullptr;
  ASSERT_TRUE(library->find("cos", cosine).has_value());
  EXPECT_EQ(cosine(0), 1.0);
  EXPECT_EQ(library->find("no_such_function").error().code(), ErrorCode::kUnsupported);
}

TEST(SharedLibrary, NamesThePackageOfOneThatIsNotThere) {
  const auto library = SharedLibrary::load("libnobody.so.9", "libnobody9");
  ASSERT_FALSE(library.has_value());
  EXPECT_EQ(library.error().code(), ErrorCode::kUnsupported);
  EXPECT_NE(library.error().hint().find("libnobody9"), std::string::npos);
}

}  // namespace
}  // namespace backstay::io
