#include <gmock/gmock.h>

#include "source/testing/scratch_tree.h"

namespace backstay::source {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr const char* kSignature =
    "Signature: 8a477f597d28d172789f06886806bc55\n# made by a test\n";

class Exclusion : public ScratchTree {
 protected:
  Exclusion() {
    make_folder("keep");
    make_folder("drop/inner");
    write("keep/file.txt", "1");
    write("keep/file.o", "1");
    write("drop/file.txt", "1");
    write("drop/inner/file.txt", "1");
  }
  static FileSourceOptions excluding(std::initializer_list<std::string> patterns) {
    FileSourceOptions options;
    for (const std::string& pattern : patterns) {
      EXPECT_TRUE(options.excludes.add(pattern, snapshot::Case::kSensitive).has_value());
    }
    return options;
  }
};

TEST_F(Exclusion, LeavesOutWhatAPatternMatchesAndAllBelow) {
  walk(excluding({"drop", "*.o"}));
  EXPECT_THAT(given(), ElementsAre("keep", "keep/file.txt"));
  EXPECT_THAT(walked_.errors, IsEmpty());
}

TEST_F(Exclusion, DoesNotLookIntoAnExcludedFolder) {
  ASSERT_EQ(::chmod(top().c_str(), 0755), 0);
  ASSERT_EQ(::chmod(at("drop").c_str(), 0), 0);
  {
    const OrdinaryUser user;
    walk(excluding({"drop"}));
  }
  ::chmod(at("drop").c_str(), 0700);
  EXPECT_THAT(given(), ElementsAre("keep", "keep/file.o", "keep/file.txt"));
  EXPECT_THAT(walked_.errors, IsEmpty());
}

TEST_F(Exclusion, FoldersAboveAPathAreNotExcluded) {
  FileSourceOptions options = excluding({top()});
  options.paths = {at("keep")};
  walk(std::move(options));
  EXPECT_THAT(given(), IsEmpty());
  EXPECT_NE(walked_.find(top()), nullptr);
}

TEST_F(Exclusion, APathItselfCanBeExcluded) {
  FileSourceOptions options = excluding({"drop"});
  options.paths = {at("drop"), at("keep")};
  walk(std::move(options));
  EXPECT_THAT(given(), ElementsAre("keep", "keep/file.o", "keep/file.txt"));
}

TEST_F(Exclusion, OfFoldersWithACacheTagTheTagIsKept) {
  write("drop/CACHEDIR.TAG", kSignature);
  write("keep/CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc56");
  FileSourceOptions options;
  options.exclude_caches = true;
  walk(std::move(options));
  EXPECT_THAT(given(), ElementsAre("drop", "drop/CACHEDIR.TAG", "keep", "keep/CACHEDIR.TAG",
                                   "keep/file.o", "keep/file.txt"));
  EXPECT_EQ(walked_.find(at("drop"))->entry.left_out, snapshot::LeftOut::kCache);
  EXPECT_EQ(walked_.find(at("keep"))->entry.left_out, snapshot::LeftOut::kNothing);
}

TEST_F(Exclusion, ACacheTagThatIsAFifoOrALinkDoesNotCountAndDoesNotHang) {
  ASSERT_EQ(::mkfifo(at("drop/CACHEDIR.TAG").c_str(), 0600), 0);
  write("tag", kSignature);
  link_to("../tag", "keep/CACHEDIR.TAG");
  FileSourceOptions options;
  options.exclude_caches = true;
  walk(std::move(options));
  EXPECT_THAT(given(), Contains("drop/file.txt"));
  EXPECT_THAT(given(), Contains("keep/file.txt"));
}

TEST_F(Exclusion, OfFoldersThatHoldAMarkTheMarkIsKept) {
  write("drop/.nobackup", "");
  write("keep/.nobackup2", "");
  FileSourceOptions options;
  options.exclude_if_present = {".absent", ".nobackup"};
  walk(std::move(options));
  EXPECT_THAT(given(), ElementsAre("drop", "drop/.nobackup", "keep", "keep/.nobackup2",
                                   "keep/file.o", "keep/file.txt"));
  EXPECT_EQ(walked_.find(at("drop"))->entry.left_out, snapshot::LeftOut::kMarked);
}

TEST_F(Exclusion, AMarkThatIsAFolderIsKeptEmpty) {
  FileSourceOptions options;
  options.exclude_if_present = {"inner"};
  walk(std::move(options));
  EXPECT_THAT(given(), ElementsAre("drop", "drop/inner", "keep", "keep/file.o", "keep/file.txt"));
  EXPECT_EQ(walked_.find(at("drop/inner"))->entry.left_out, snapshot::LeftOut::kMarked);
}

TEST_F(Exclusion, APathInsideAFolderThatIsKeptEmptyIsGiven) {
  write("drop/CACHEDIR.TAG", kSignature);
  FileSourceOptions options;
  options.exclude_caches = true;
  options.paths = {top(), at("drop/inner")};
  walk(std::move(options));
  EXPECT_THAT(given(), ElementsAre("drop", "drop/CACHEDIR.TAG", "drop/inner", "drop/inner/file.txt",
                                   "keep", "keep/file.o", "keep/file.txt"));
  EXPECT_EQ(walked_.find(at("drop/inner"))->entry.left_out, snapshot::LeftOut::kNothing);
}

TEST_F(Exclusion, LeavesOutLargeFilesOnly) {
  write("keep/large", std::string(101, 'x'));
  write("keep/limit", std::string(100, 'x'));
  FileSourceOptions options;
  options.exclude_larger_than = 100;
  options.paths = {at("keep")};
  walk(std::move(options));
  EXPECT_THAT(given(), ElementsAre("keep", "keep/file.o", "keep/file.txt", "keep/limit"));
}

TEST_F(Exclusion, NeverEntersTheRepositoryByWhateverPath) {
  link_to("drop", "link");
  for (const char* never : {"drop", "link", "keep/../drop/"}) {
    walked_ = {};
    FileSourceOptions options;
    options.never = {at(never)};
    walk(std::move(options));
    EXPECT_THAT(given(), ElementsAre("keep", "keep/file.o", "keep/file.txt", "link")) << never;
    EXPECT_THAT(walked_.errors, IsEmpty());
  }
}

TEST_F(Exclusion, NeverEntersAFolderThatIsMadeLater) {
  FileSourceOptions options;
  options.never = {at("new")};
  const auto source = open(std::move(options));
  make_folder("new");
  walk(*source);
  EXPECT_EQ(walked_.find(at("new")), nullptr);
}

TEST_F(Exclusion, ReportsAPathInsideTheRepository) {
  FileSourceOptions options;
  options.never = {at("drop")};
  options.paths = {at("drop/inner"), at("keep")};
  walk(std::move(options));
  EXPECT_THAT(given(), ElementsAre("keep", "keep/file.o", "keep/file.txt"));
  EXPECT_THAT(walked_.error_paths(), ElementsAre(at("drop/inner")));
}

TEST_F(Exclusion, OtherFileSystemsAreKeptAsEmptyFolders) {
  struct stat outer {};
  struct stat inner {};
  if (::stat("/dev", &outer) != 0 || ::stat("/dev/shm", &inner) != 0 ||
      outer.st_dev == inner.st_dev) {
    GTEST_SKIP() << "/dev/shm is not a file system of its own";
  }
  const std::string inside = "/dev/shm/backstay-test-" + std::to_string(::time(nullptr));
  std::ofstream(inside) << "text";
  for (const bool shm_is_given : {false, true}) {
    walked_ = {};
    FileSourceOptions options;
    options.one_file_system = true;
    options.paths = {"/dev"};
    if (shm_is_given) options.paths.push_back("/dev/shm");
    walk(std::move(options));
    ASSERT_NE(walked_.find("/dev/shm"), nullptr);
    EXPECT_EQ(walked_.find("/dev/shm")->entry.left_out == snapshot::LeftOut::kOtherFileSystem,
              !shm_is_given);
    EXPECT_EQ(walked_.find(inside) != nullptr, shm_is_given);
  }
  std::filesystem::remove(inside);
}

}  // namespace
}  // namespace backstay::source
