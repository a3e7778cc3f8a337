// Stores that do not say all: a listing that lacks an object, an object of which less comes than
// was asked for. What is there is never made worse by those who believe them.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "engine/testing/repair_fixture.h"

namespace backstay::engine {
namespace {

class Liar final : public backend::ForwardingBackend {
 public:
  using ForwardingBackend::ForwardingBackend;
  // No listing has it; by its name it is there.
  void hide(const std::string& name) { hidden_.insert(name); }
  // No more than so many bytes of it come; listings and heads know how large it is.
  void shorten(const std::string& name, std::uint64_t size) { sizes_[name] = size; }

  Result<void> list(std::string_view prefix,
                    const std::function<Result<void>(const backend::ObjectInfo&)>& each) override {
    return inner_.list(prefix, [&](const backend::ObjectInfo& info) -> Result<void> {
      return hidden_.contains(info.name) ? Result<void>() : each(info);
    });
  }
  Result<Bytes> get(std::string_view name, std::uint64_t size_max) override {
    auto bytes = inner_.get(name, size_max);
    const auto size = sizes_.find(name);
    if (bytes && size != sizes_.end()) bytes->resize(std::min(bytes->size(), size->second));
    return bytes;
  }
  Result<void> get_range(std::string_view name, std::uint64_t offset,
                         MutableByteView out) override {
    const auto size = sizes_.find(name);
    if (size != sizes_.end() && offset + out.size() > size->second)
      return fail(ErrorCode::kCorruption, fmt::format("it ends at {}", size->second));
    return inner_.get_range(name, offset, out);
  }

 private:
  std::set<std::string, std::less<>> hidden_;
  std::map<std::string, std::uint64_t, std::less<>> sizes_;
};

class LyingStore : public RepairFixture {
 protected:
  void SetUp() override {
    RepairFixture::SetUp();
    data_ = pack_with("/home/user/large");
    meta_ = new_pages(0).front().first;
    run_ = names("index/").back();
    snapshot_ = repo::object_name(ObjectKind::kSnapshot, {first_.bytes});
  }
  std::string named() {
    const auto report = try_check();
    if (!report) return problem(report);
    std::string all;
    for (const Damage& damage : report->damages) all += damage.object + ": " + damage.what + "\n";
    return all;
  }
  // By a store that says all: every file of every snapshot, and nothing is damaged.
  void expect_all_there() {
    backend::Backend* const liar = std::exchange(through_, nullptr);
    const Readable found = readable(true);
    std::size_t files = 0;
    for (const auto& [started, paths] : truth_) {
      for (const auto& [path, bytes] : paths)
        files += tree_.nodes().at(snapshot::key_from_path(path)).bytes != nullptr ? 1U : 0U;
    }
    EXPECT_EQ(found.size(), files);
    EXPECT_EQ(named(), "");
    through_ = liar;
  }
  // What a check says of it, and that a dry run of all repairs changes nothing.
  void expect_named(const std::string& name, const char* what) {
    const std::string all = named();
    if (name.empty()) {
      EXPECT_EQ(all, "");
    } else {
      EXPECT_TRUE(all.starts_with(name + ": ") && all.contains(what)) << all;
    }
    const auto before = memory_.objects();
    EXPECT_EQ(mend_all(RepairMode::kDryRun), "");
    EXPECT_TRUE(memory_.objects() == before);
  }
  // A backup through it holds everything, by itself and by a store that says all.
  void expect_backs_up() {
    const auto repository = try_open();
    ASSERT_EQ(problem(repository), "");
    clock_.advance(std::chrono::seconds(60));
    tree_.add_file("/home/user/meanwhile", noise(30'000, 903));
    Watch watch;
    const auto report = back_up(**repository, tree_, backup_options(), watch);
    ASSERT_EQ(problem(report), "");
    expect_holds_the_tree(*report);
    truth_[report->snapshot.started.seconds] = contents_of(tree_);
    expect_all_there();
  }

  std::string data_;
  std::string meta_;
  std::string run_;
  std::string snapshot_;
};

TEST_F(LyingStore, ThatListsNotAllHarmsNothing) {
  const std::tuple<std::string, std::string, const char*> cases[] = {
      {data_, data_, "does not list"},
      {meta_, meta_, "does not list"},
      {run_, "index", "no index run"},
      // Nothing refers to it: one that is not listed is not missed.
      {snapshot_, "", ""}};
  const auto truth = truth_;
  for (const auto& [hidden, wanted, what] : cases) {
    for (const bool checked : {true, false}) {
      SCOPED_TRACE(hidden + (checked ? ", checked" : ""));
      memory_.set_objects(whole_);
      Liar liar(memory_);
      liar.hide(hidden);
      through_ = &liar;
      if (checked) expect_named(wanted, what);
      EXPECT_EQ(problem(mend_index(RepairMode::kRepair, true)), "");
      expect_all_there();
      EXPECT_EQ(problem(mend_packs(RepairMode::kRepair)), "");
      expect_all_there();
      EXPECT_EQ(problem(mend_snapshots(RepairMode::kRepair)), "");
      expect_all_there();
      memory_.set_objects(whole_);
      expect_backs_up();
      tree_.remove("/home/user/meanwhile");
      truth_ = truth;
      through_ = nullptr;
    }
  }
}

TEST_F(LyingStore, ThatGivesLessThanIsAskedForLosesNothingThatCouldBeRead) {
  for (const std::string& name : {data_, meta_, run_, snapshot_}) {
    for (const bool checked : {true, false}) {
      SCOPED_TRACE(name + (checked ? ", checked" : ""));
      memory_.set_objects(whole_);
      Liar liar(memory_);
      liar.shorten(name, whole_.at(name).size() / 2);
      through_ = &liar;
      const Readable before = readable();
      if (checked) expect_named(name, name == run_ ? "it ends at" : "do not match");
      EXPECT_EQ(problem(mend_index(RepairMode::kRepair, true)), "");
      expect_all_there();
      EXPECT_EQ(problem(mend_packs(RepairMode::kRepair)), "");
      expect_all_there();
      // What cannot be read is left out, as where it is damaged.
      EXPECT_EQ(problem(mend_snapshots(RepairMode::kRepair)), "");
      EXPECT_EQ(missing_in(readable(), before), "");
      through_ = nullptr;
      EXPECT_EQ(missing_in(readable(), before), "");
      EXPECT_EQ(named(), "");
    }
  }
}

}  // namespace
}  // namespace backstay::engine
