#include "backend/remote/folder_backend.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>

#include "backend/open.h"
#include "backend/retry_backend.h"
#include "backend/testing/backend_contract.h"
#include "base/rng.h"
#include "crypto/random.h"

namespace backstay::backend::remote {
namespace {

// A server's files, and what goes wrong with them.
struct Disk {
  Mutex mutex;  // of all below
  std::map<std::string, Bytes> files;
  std::set<std::string> folders;
  std::map<std::string, Timestamp> times;
  std::uint64_t calls = 0;
  std::uint64_t cut_at = 0;  // the call that is cut; 0: none
  bool cut_after = false;    // when it is done
  bool read_only = false;
  bool replaces = true;
  Timestamp now{1000, 0};
};

std::unexpected<Error> nothing(const std::string& path) {
  return fail(ErrorCode::kNotFound, path + " is not there");
}

class MemoryFiles final : public Files {
 public:
  explicit MemoryFiles(Disk& disk) : disk_(disk) {}

  Result<Entry> look(const std::string& path) override {
    return call([&]() -> Result<Entry> {
      const auto file = disk_.files.find(path);
      if (file != disk_.files.end()) return entry_of(path);
      if (!disk_.folders.contains(path)) return nothing(path);
      return Entry{.name = path, .kind = Kind::kFolder, .size_bytes = {}, .modified = {}};
    });
  }
  Result<std::vector<Entry>> read_folder(const std::string& path) override {
    return call([&]() -> Result<std::vector<Entry>> {
      if (!disk_.folders.contains(path)) return nothing(path);
      std::vector<Entry> found;
      const auto name_in = [&](const std::string& one) -> std::optional<std::string> {
        const std::string start = path.empty() ? "" : path + "/";
        if (one.empty() || !one.starts_with(start)) return std::nullopt;
        const std::string rest = one.substr(start.size());
        if (rest.empty() || rest.contains('/')) return std::nullopt;
        return rest;
      };
      for (const auto& [file, bytes] : disk_.files) {
        const auto name = name_in(file);
        if (name) found.push_back(entry_of(file));
        if (name) found.back().name = *name;
      }
      for (const std::string& folder : disk_.folders) {
        const auto name = name_in(folder);
        if (name) found.push_back({*name, Kind::kFolder, {}, {}});
      }
      return found;
    });
  }
  Result<void> make_folder(const std::string& path) override {
    return change([&]() -> Result<void> {
      if (!disk_.folders.contains(above(path))) return nothing(path);
      disk_.folders.insert(path);
      return {};
    });
  }
  Result<void> make_root() override {
    return change([&]() -> Result<void> {
      disk_.folders.insert("");
      return {};
    });
  }
  Result<void> write(const std::string& path, const StreamedBytes& bytes) override {
    Bytes all = TRY(gathered(bytes));
    return change([&]() -> Result<void> {
      if (!disk_.folders.contains(above(path))) return nothing(path);
      disk_.files[path] = std::move(all);
      disk_.times[path] = disk_.now;
      return {};
    });
  }
  Result<Renamed> rename(const std::string& from, const std::string& to) override {
    return change([&]() -> Result<Renamed> {
      if (!disk_.files.contains(from)) return nothing(from);
      // Servers have odd words for it.
      if (!disk_.folders.contains(above(to))) return fail(ErrorCode::kUnsupported, "550");
      if (!disk_.replaces && disk_.files.contains(to)) return Renamed::kTaken;
      disk_.files[to] = std::move(disk_.files[from]);
      disk_.times[to] = disk_.times[from];
      disk_.files.erase(from);
      return Renamed::kDone;
    });
  }
  Result<void> remove_file(const std::string& path) override {
    return change([&]() -> Result<void> {
      disk_.files.erase(path);
      return {};
    });
  }
  Result<Bytes> read(const std::string& path, std::uint64_t size_max) override {
    return call([&]() -> Result<Bytes> {
      const auto file = disk_.files.find(path);
      if (file == disk_.files.end()) return nothing(path);
      if (file->second.size() > size_max) return fail(ErrorCode::kInvalidArgument, "too large");
      return file->second;
    });
  }
  Result<void> read_range(const std::string& path, std::uint64_t offset,
                          MutableByteView out) override {
    const Bytes all = TRY(read(path, ~std::uint64_t{0}));
    if (offset > all.size() || out.size() > all.size() - offset) {
      return fail(ErrorCode::kCorruption, "it ends before");
    }
    std::copy_n(all.begin() + static_cast<std::ptrdiff_t>(offset), out.size(), out.begin());
    return {};
  }
  [[nodiscard]] bool rename_replaces() const override { return disk_.replaces; }
  [[nodiscard]] std::optional<Timestamp> said_time() const override { return Timestamp{77, 0}; }
  [[nodiscard]] const std::string& place() const override { return place_; }

 private:
  static std::string above(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    return slash == std::string::npos ? "" : path.substr(0, slash);
  }
  [[nodiscard]] Entry entry_of(const std::string& path) {
    return {path, Kind::kFile, disk_.files[path].size(), disk_.times[path]};
  }
  template <typename Work>
  auto call(const Work& work) -> decltype(work()) {
    const MutexLock lock(disk_.mutex);
    const bool cut = ++disk_.calls == disk_.cut_at;
    if (cut && !disk_.cut_after) return fail(ErrorCode::kUnavailable, "cut");
    auto done = work();
    if (cut) return fail(ErrorCode::kUnavailable, "cut");
    return done;
  }
  template <typename Work>
  auto change(const Work& work) -> decltype(work()) {
    if (disk_.read_only) return fail(ErrorCode::kPermissionDenied, "this is read-only");
    return call(work);
  }

  Disk& disk_;
  const std::string place_ = "memory://test";
};

class FolderStore final : public ContractStore {
 public:
  explicit FolderStore(bool replaces) {
    disk_.replaces = replaces;
    open(OpenKind::kCreate);
  }
  Backend& backend() override { return *backend_; }
  void reopen() override { open(OpenKind::kOpen); }
  [[nodiscard]] bool creates_once() const override { return false; }

 private:
  void open(OpenKind kind) {
    auto opened = FolderBackend::open(std::make_unique<MemoryFiles>(disk_), kind, rng_);
    ASSERT_TRUE(opened.has_value()) << opened.error().describe();
    backend_ = *std::move(opened);
  }
  Disk disk_;
  crypto::SystemRng rng_;
  std::unique_ptr<FolderBackend> backend_;
};

INSTANTIATE_TEST_SUITE_P(
    RemoteFolder, BackendContract,
    ::testing::Values(
        ContractParam{"renames replace", [] { return std::make_unique<FolderStore>(true); }},
        ContractParam{"renames look first", [] { return std::make_unique<FolderStore>(false); }}));

struct RemoteFolder : ::testing::Test {
  [[nodiscard]] Result<std::unique_ptr<FolderBackend>> open(OpenKind kind = OpenKind::kCreate) {
    return FolderBackend::open(std::make_unique<MemoryFiles>(disk), kind, rng);
  }
  [[nodiscard]] std::vector<std::string> in_root() {
    std::vector<std::string> names;
    for (const auto& [name, bytes] : disk.files) names.push_back(name);
    return names;
  }
  void make_file(const std::string& name, std::int64_t seconds) {
    disk.folders.insert("");
    disk.files[name] = {};
    disk.times[name] = {seconds, 0};
  }
  void lose_everything() {
    disk.files.clear();
    disk.folders.clear();
  }
  [[nodiscard]] std::uint64_t calls() { return disk.calls; }

  Disk disk;
  crypto::SystemRng rng;
};

TEST_F(RemoteFolder, SurvivesACutAtEveryCall) {
  SystemClock clock;
  for (const bool after : {false, true}) {
    for (std::uint64_t number = 1;; ++number) {
      lose_everything();
      disk.cut_at = 0;
      auto store = open();
      ASSERT_TRUE(store.has_value());
      const std::uint64_t before = calls();
      disk.cut_at = before + number;
      disk.cut_after = after;
      RetryBackend backend(*std::move(store), {}, {clock, rng, [](auto) {}, {}, {}});
      const Bytes big(600'000, 7);
      ASSERT_TRUE(backend.put("data/3f/a", big).has_value()) << number;
      ASSERT_TRUE(backend.put("leases/a", as_bytes("x")).has_value()) << number;
      ASSERT_EQ(backend.get("data/3f/a", big.size()).value(), big) << number;
      std::vector<std::string> names;
      const auto listed = backend.list("", [&](const ObjectInfo& info) -> Result<void> {
        names.push_back(info.name);
        return {};
      });
      ASSERT_TRUE(listed.has_value()) << number;
      std::ranges::sort(names);
      ASSERT_EQ(names, (std::vector<std::string>{"data/3f/a", "leases/a"})) << number;
      ASSERT_TRUE(backend.remove("leases/a").has_value()) << number;
      if (calls() - before < number) break;
    }
  }
}

TEST_F(RemoteFolder, RemovesWhatDeadWritersLeftButNothingYoung) {
  const std::string old = ".tmp-" + std::string(32, '0');
  const std::string young = ".tmp-" + std::string(32, 'f');
  make_file(old, 1000);
  make_file(young, 1000 + 3600);
  disk.now = {1000 + 24 * 3600, 0};
  ASSERT_TRUE(open(OpenKind::kRead).has_value());
  EXPECT_EQ(in_root().size(), 2U) << "who only reads changes nothing";
  ASSERT_TRUE(open(OpenKind::kOpen).has_value());
  EXPECT_EQ(in_root().size(), 2U) << "this is no repository";
  make_file("config", 1000);
  make_file(".tmp-of-somebody-else", 1000);
  ASSERT_TRUE(open(OpenKind::kOpen).has_value());
  std::vector<std::string> left = in_root();
  std::ranges::sort(left);
  EXPECT_EQ(left, (std::vector<std::string>{young, ".tmp-of-somebody-else", "config"}));
}

TEST_F(RemoteFolder, NoticesThatItsFolderIsGone) {
  EXPECT_EQ(open(OpenKind::kOpen).error().code(), ErrorCode::kNotFound);
  const auto store = open().value();
  ASSERT_TRUE(store->put("data/3f/a", as_bytes("x")).has_value());
  lose_everything();
  EXPECT_EQ(store->put("data/3f/b", as_bytes("x")).error().code(), ErrorCode::kNotFound);
  const auto each = [](const ObjectInfo&) -> Result<void> { return {}; };
  EXPECT_FALSE(store->list("snapshots/", each).has_value()) << "this is no empty store";
  make_file("lost+found", 1);
  EXPECT_TRUE(store->put("data/3f/c", as_bytes("x")).has_value()) << "folders are made again";
}

TEST_F(RemoteFolder, IsAppendOnlyWhereTheFolderIs) {
  const auto store = open().value();
  ASSERT_TRUE(store->put("data/a", as_bytes("x")).has_value());
  ASSERT_TRUE(store->put("leases/a", as_bytes("x")).has_value());
  ASSERT_TRUE(store->set_append_only(AppendOnly::kOn).has_value());
  EXPECT_TRUE(open(OpenKind::kRead).value()->capabilities().append_only);
  EXPECT_EQ(store->remove("data/a").error().code(), ErrorCode::kPermissionDenied);
  EXPECT_TRUE(store->remove("leases/a").has_value());
  ASSERT_TRUE(store->set_append_only(AppendOnly::kOff).has_value());
  EXPECT_TRUE(store->remove("data/a").has_value());
}

TEST_F(RemoteFolder, TellsTheTimeOfAStoreThatItMayOnlyRead) {
  const auto store = open().value();
  EXPECT_EQ(store->store_time().value(), disk.now);
  disk.read_only = true;
  EXPECT_EQ(store->store_time().value(), (Timestamp{77, 0})) << "what the server said";
}

TEST_F(RemoteFolder, TakesOnlyAFolderOfItsOwnForANewRepository) {
  const auto store = open().value();
  EXPECT_TRUE(store->check_is_free().has_value());
  make_file("holiday.jpg", 1);
  EXPECT_EQ(store->check_is_free().error().code(), ErrorCode::kAlreadyExists);
  make_file("config", 1);
  EXPECT_TRUE(store->check_is_free().has_value()) << "whoever makes one there is told of it";
}

}  // namespace
}  // namespace backstay::backend::remote
