// The index while others change it: what counts is what two listings say alike.
#include <functional>
#include <string>

#include "backend/forwarding_backend.h"
#include "repo/testing/fixture.h"

namespace backstay::repo {
namespace {

// Something happens before every listing of the index; and the first bytes that are read of it may
// be wrong.
class Unsettled final : public backend::ForwardingBackend {
 public:
  explicit Unsettled(backend::Backend& inner) : ForwardingBackend(inner) {}
  std::function<void()> before_listing = [] {};
  bool wrong_once = false;

  Result<void> list(std::string_view prefix,
                    const std::function<Result<void>(const backend::ObjectInfo&)>& each) override {
    if (prefix == "index/") before_listing();
    return inner_.list(prefix, each);
  }
  Result<Bytes> get(std::string_view name, std::uint64_t size_max) override {
    auto bytes = inner_.get(name, size_max);
    if (bytes) spoil(name, *bytes);
    return bytes;
  }
  Result<void> get_range(std::string_view name, std::uint64_t offset,
                         MutableByteView out) override {
    auto done = inner_.get_range(name, offset, out);
    spoil(name, out);
    return done;
  }

 private:
  void spoil(std::string_view name, MutableByteView bytes) {
    if (name.starts_with("index/") && std::exchange(wrong_once, false)) bytes.back() ^= 1;
  }
};

class SettledIndex : public RepositoryFixture {
 protected:
  void SetUp() override {
    make();
    add_run();
    add_run();
  }
  void add_run() {
    const auto writer = open_past_faults();
    StoreSession session(*writer, {}, StoreSession::Mode::kStore);
    refs_ = RepositoryFixture::store(*writer, session, {noise(500, ++seed_)});
    ASSERT_EQ(problem(session.flush()), "");
  }
  // With whom it is loaded by `load`, and the names of damaged runs that it tells.
  using Load = Result<void> (Repository::*)(const Repository::DamagedRun&);
  Result<std::vector<ObjectId>> told(Load load) {
    backend::Backend& store = unsettled_;
    auto opened = Repository::open(std::make_unique<backend::ForwardingBackend>(store),
                                   test_credential(), {}, {.clock = clock_, .rng = rng_});
    if (!opened) return std::unexpected(std::move(opened).error());
    repository_ = std::move(*opened);
    std::vector<ObjectId> damaged;
    const auto done =
        (*repository_.*load)([&](const ObjectId& id, const Error&) { damaged.push_back(id); });
    if (!done) return std::unexpected(done.error().clone());
    return damaged;
  }

  std::uint64_t seed_ = 0;
  std::vector<chunk::ChunkRef> refs_;
  Unsettled unsettled_{memory_};
  std::unique_ptr<Repository> repository_;
};

TEST_F(SettledIndex, TellsNothingOfDamageThatOnlyAnEarlierLoadMet) {
  unsettled_.wrong_once = true;
  const auto once = told(&Repository::load_index);
  ASSERT_EQ(problem(once), "");
  EXPECT_EQ(once->size(), 1U) << "one load tells it";
  unsettled_.wrong_once = true;
  const auto settled = told(&Repository::load_settled_index);
  ASSERT_EQ(problem(settled), "");
  EXPECT_TRUE(settled->empty());
  EXPECT_FALSE(unsettled_.wrong_once) << "it was met";
  EXPECT_EQ(repository_->index().runs().size(), 2U);
  EXPECT_TRUE(repository_->index().contains(refs_.front().id));
}

TEST_F(SettledIndex, TellsOnceOfDamageThatStays) {
  replace(names("index/").front(), [](Bytes& bytes) { bytes[100] ^= 1; });
  const auto settled = told(&Repository::load_settled_index);
  ASSERT_EQ(problem(settled), "");
  EXPECT_EQ(settled->size(), 1U);
}

TEST_F(SettledIndex, HasWhatCameBetweenTwoListings) {
  int listings = 0;
  unsettled_.before_listing = [&] {
    if (++listings == 2) add_run();
  };
  ASSERT_EQ(problem(told(&Repository::load_settled_index)), "");
  EXPECT_GE(listings, 3);
  EXPECT_TRUE(repository_->index().contains(refs_.front().id));
}

TEST_F(SettledIndex, ThatChangesAtEveryListingCannotBeLoaded) {
  unsettled_.before_listing = [&] { add_run(); };
  const auto loaded = told(&Repository::load_settled_index);
  EXPECT_EQ(code_of(loaded), "unavailable");
  EXPECT_NE(problem(loaded).find("changes faster than it can be read"), std::string::npos);
}

}  // namespace
}  // namespace backstay::repo
