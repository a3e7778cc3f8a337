// A restic repository made by hand, after restic's design page; tests/e2e/import_test.py has real
// ones.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <map>

#include "base/hex.h"
#include "crypto/scrypt.h"
#include "crypto/sha256.h"
#include "foreign/restic/node.h"
#include "foreign/restic/restic_repository.h"
#include "io/file.h"
#include "snapshot/tree_key.h"

namespace backstay::foreign::restic {
namespace {

using crypto::AesPoly1305;

std::string base64(ByteView bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t bits = 0;
    for (std::size_t k = 0; k < 3; ++k)
      bits = (bits << 8) | (i + k < bytes.size() ? bytes[i + k] : 0U);
    for (std::size_t k = 0; k < 4; ++k)
      out += i + k <= bytes.size() ? kDigits[(bits >> (18 - 6 * k)) & 63] : '=';
  }
  return out;
}

class ResticTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/backstay-restic-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = name;
    for (const char* below : {"", "/keys", "/snapshots", "/index", "/data"})
      ASSERT_TRUE(io::make_directories(folder_ + "/repo" + below));
    repo_ = folder_ + "/repo";
    for (std::size_t i = 0; i < master_.size(); ++i) master_[i] = static_cast<std::uint8_t>(i);
    write("config",
          sealed(master_, fmt::format(R"({{"version":2,"id":"{}","chunker_polynomial":"1"}})",
                                      std::string(64, 'a'))));
    write_key("secret");
    hooks_.report = [this](const std::string& what, const Error&) { reported_.push_back(what); };
    hooks_.note = [this](const std::string& note) { notes_.push_back(note); };
  }
  void TearDown() override { ASSERT_TRUE(io::remove_tree(folder_)); }

  static Bytes sealed(ByteView key, std::string_view text) {
    Bytes out(text.size() + AesPoly1305::kOverhead);
    EXPECT_TRUE(AesPoly1305::from_key(key)->seal(Bytes(16, 9), as_bytes(text), out));
    return out;
  }

  void write(const std::string& name, ByteView bytes) {
    const std::string path = repo_ + "/" + name;
    ASSERT_TRUE(io::make_directories(path.substr(0, path.rfind('/'))));
    ASSERT_TRUE(io::remove_file(path));
    ASSERT_TRUE(io::create_file(path, {&bytes, 1}, io::Durability::kUnsynced));
  }
  std::string write_named(const std::string& folder, ByteView bytes) {
    const std::string name = to_hex(crypto::sha256(bytes));
    write(folder + "/" + (folder == "data" ? name.substr(0, 2) + "/" : "") + name, bytes);
    return name;
  }

  void write_key(std::string_view password) {
    Bytes derived(64);
    ASSERT_TRUE(
        crypto::scrypt(as_bytes(password), as_bytes("salt"), {.n = 2, .r = 1, .p = 1}, derived));
    const ByteView master(master_);
    const std::string text = fmt::format(R"({{"mac":{{"k":"{}","r":"{}"}},"encrypt":"{}"}})",
                                         base64(master.subspan(32, 16)), base64(master.subspan(48)),
                                         base64(master.first(32)));
    write_named("keys", as_bytes(fmt::format(
                            R"({{"kdf":"scrypt","N":2,"r":1,"p":1,"salt":"{}","data":"{}"}})",
                            base64(as_bytes("salt")), base64(sealed(derived, text)))));
  }

  // Adds a piece to the pack that is being made; its id.
  std::string piece(const std::string& kind, std::string_view plain) {
    const Bytes bytes = sealed(master_, plain);
    const std::string id = to_hex(crypto::sha256(as_bytes(plain)));
    listed_ += fmt::format(R"({}{{"id":"{}","type":"{}","offset":{},"length":{}}})",
                           listed_.empty() ? "" : ",", id, kind, pack_.size(), bytes.size());
    append(pack_, bytes);
    return id;
  }
  std::string file(const std::string& name, const std::string& content, std::size_t size) {
    return fmt::format(
        R"({{"name":"{}","type":"file","mode":2147484068,"mtime":"2020-01-02T03:04:05.)"
        R"(000000006+01:00","ctime":"2020-01-02T03:04:05Z","uid":1,"gid":2,"user":"ann",)"
        R"("inode":7,"links":1,"size":{},"content":[{}]}})",
        name, size, content.empty() ? "" : "\"" + content + "\"");
  }
  std::string folder(const std::string& name, const std::string& tree) {
    return fmt::format(R"({{"name":"{}","type":"dir","mode":2147484141,"subtree":"{}"}})", name,
                       tree);
  }
  std::string tree(const std::string& nodes) {
    return piece("tree", "{\"nodes\":[" + nodes + "]}\n");
  }
  void finish_pack() {
    pack_name_ = write_named("data", pack_);
    write_named("index", sealed(master_, fmt::format(R"({{"packs":[{{"id":"{}","blobs":[{}]}}]}})",
                                                     pack_name_, listed_)));
  }
  std::string snapshot(const std::string& root, const std::string& path,
                       const std::string& time = "2021-01-01T00:00:00Z") {
    return write_named(
        "snapshots",
        sealed(master_, fmt::format(R"({{"time":"{}","tree":"{}","paths":["{}"],)"
                                    R"("hostname":"h","username":"u","tags":["b","a"]}})",
                                    time, root, path)));
  }

  // "/home/ann" with two files.
  void make_small() {
    const std::string data = piece("data", "some bytes");
    const std::string ann = tree(file("a", data, 10) + "," + file("b\\\\xff", "", 0));
    root_ = tree(folder("home", tree(folder("ann", ann))));
    finish_pack();
  }

  Result<std::unique_ptr<ForeignRepository>> open(std::string_view password = "secret") {
    return ResticRepository::open(repo_, password, {});
  }

  // Keys of all entries, or an error.
  Result<std::map<std::string, std::string>> contents(ForeignRepository& repository,
                                                      ForeignSnapshot snapshot) {
    TRY(repository.complete(snapshot, hooks_));
    const auto source = TRY(repository.open(snapshot, nullptr, hooks_));
    std::map<std::string, std::string> found;
    while (auto item = TRY(source->next())) {
      std::string& bytes = found[snapshot::path_from_key(item->key)];
      if (item->entry.type != snapshot::EntryType::kFile) continue;
      const auto reader = TRY(source->open(*item));
      while (TRY(reader->next_run())) {
        Bytes part(4);
        for (std::size_t got = TRY(reader->read(part)); got > 0; got = TRY(reader->read(part)))
          bytes += as_text(ByteView(part).first(got));
      }
    }
    return found;
  }

  std::string folder_;
  std::string repo_;
  Bytes master_ = Bytes(64);
  Bytes pack_;
  std::string pack_name_;
  std::string listed_;
  std::string root_;
  ForeignHooks hooks_;
  std::vector<std::string> reported_;
  std::vector<std::string> notes_;
};

TEST_F(ResticTest, GivesSnapshotsWithAllThatTheySay) {
  make_small();
  const std::string later = snapshot(root_, "/home/ann", "2021-01-02T00:00:00.5+01:00");
  const std::string first = snapshot(root_, "/home/ann");
  const auto repository = open();
  ASSERT_TRUE(repository);
  const auto all = (*repository)->snapshots(hooks_);
  ASSERT_TRUE(all);
  ASSERT_EQ(all->size(), 2U);
  EXPECT_EQ((*all)[0].id, first);
  const snapshot::Snapshot& record = (*all)[1].record;
  EXPECT_EQ((*all)[1].id, later);
  EXPECT_EQ(record.started, (Timestamp{.seconds = 1609542000, .nanos = 500'000'000}));
  EXPECT_EQ(record.host + record.user, "hu");
  EXPECT_EQ(record.tags, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(record.origin, "restic:" + std::string(64, 'a') + "/" + later);
}

TEST_F(ResticTest, GivesEntriesInTheOrderOfKeysWithTheirBytes) {
  make_small();
  snapshot(root_, "/home/ann");
  const auto repository = open();
  const auto all = (*repository)->snapshots(hooks_);
  const auto found = contents(**repository, all->front());
  ASSERT_TRUE(found) << found.error().describe();
  EXPECT_EQ(*found, (std::map<std::string, std::string>{{"/home", ""},
                                                        {"/home/ann", ""},
                                                        {"/home/ann/a", "some bytes"},
                                                        {"/home/ann/b\xff", ""}}));
  EXPECT_TRUE(reported_.empty());
}

TEST_F(ResticTest, LaysTreesOfRelativePathsIntoTheirFolder) {
  make_small();
  snapshot(root_, "/srv/data/home");
  snapshot(root_, "/srv/data");  // "restic backup ." there
  snapshot(root_, "C:\\\\Users");
  const auto repository = open();
  const auto all = (*repository)->snapshots(hooks_);
  std::map<std::string, std::string> first;
  for (ForeignSnapshot snapshot : *all) {
    const auto found = contents(**repository, snapshot);
    ASSERT_TRUE(found) << found.error().describe();
    ASSERT_TRUE((*repository)->complete(snapshot, hooks_));
    first[snapshot.record.paths.front()] = found->begin()->first;
  }
  EXPECT_EQ(first, (std::map<std::string, std::string>{
                       {"/srv/data/home", "/srv"}, {"/srv/data", "/srv"}, {"/home", "/home"}}));
  EXPECT_FALSE(notes_.empty());
}

TEST_F(ResticTest, AsksToReadOnlyWhatHasOtherBytesThanBefore) {
  const std::string one = piece("data", "one");
  const std::string two = piece("data", "two");
  const std::string same = tree(file("x", one, 3));
  const std::string before =
      tree(file("a", one, 3) + "," + file("b", one, 3) + "," +
           folder("c", tree(file("gone", one, 3))) + "," + folder("s", same));
  const std::string now = tree(file("a", one, 3) + "," + file("b", two, 3) + "," +
                               file("d", one, 3) + "," + folder("s", same));
  finish_pack();
  snapshot(before, "/a", "2021-01-01T00:00:00Z");
  snapshot(now, "/a", "2021-01-02T00:00:00Z");
  const auto repository = open();
  auto all = (*repository)->snapshots(hooks_);
  const auto source = (*repository)->open((*all)[1], &(*all)[0], hooks_);
  ASSERT_TRUE(source);
  std::string anyway;
  while (const auto item = *(*source)->next()) anyway += item->read_anyway ? item->key + " " : "";
  EXPECT_EQ(anyway, "b d ");
  EXPECT_EQ((*source)->names().users.at(1), "ann");
  ASSERT_TRUE((*source)->rewind());
  EXPECT_EQ((*(*source)->next())->key, "a");
}

TEST_F(ResticTest, RefusesWrongPasswordsAndWhatIsNoRepository) {
  EXPECT_EQ(open("wrong").error().code(), ErrorCode::kWrongKey);
  write_key("another");
  EXPECT_TRUE(open("secret"));
  EXPECT_TRUE(open("another"));
  write("config", sealed(master_, R"({"version":3,"id":")" + std::string(64, 'a') + "\"}"));
  EXPECT_EQ(open().error().code(), ErrorCode::kUnsupported);
  EXPECT_EQ(ResticRepository::open(folder_, "secret", {}).error().code(), ErrorCode::kNoRepository);
}

TEST_F(ResticTest, GivesCorruptionForEveryFlippedByteOfAPack) {
  make_small();
  snapshot(root_, "/home/ann");
  for (std::size_t i = 0; i < pack_.size(); ++i) {
    Bytes changed = pack_;
    changed[i] ^= 1;
    write("data/" + pack_name_.substr(0, 2) + "/" + pack_name_, changed);
    const auto repository = open();
    const auto all = (*repository)->snapshots(hooks_);
    const auto found = contents(**repository, all->front());
    ASSERT_FALSE(found) << i;
    EXPECT_EQ(found.error().code(), ErrorCode::kCorruption);
  }
}

TEST_F(ResticTest, ReportsDamagedSnapshotsAndIndexesAndGivesTheRest) {
  make_small();
  const std::string good = snapshot(root_, "/home/ann");
  const std::string bad = snapshot(root_, "/home/ann", "2022-01-01T00:00:00Z");
  write("snapshots/" + bad, as_bytes("damaged"));
  write("index/" + std::string(64, 'b'), as_bytes("damaged"));
  const auto repository = open();
  const auto all = (*repository)->snapshots(hooks_);
  ASSERT_TRUE(all);
  ASSERT_EQ(all->size(), 1U);
  EXPECT_TRUE(contents(**repository, all->front()));
  EXPECT_EQ(reported_,
            (std::vector<std::string>{"snapshot " + bad.substr(0, 8), "index bbbbbbbb"}));
}

TEST_F(ResticTest, RefusesTreesThatLeadOutsideOrAreOutOfOrder) {
  const std::string none;
  const std::string trees[] = {tree(file("b", none, 0) + "," + file("a", none, 0)),
                               tree(file("a", none, 0) + "," + file("a", none, 0)),
                               tree(file("..", none, 0)),
                               tree(file("a/b", none, 0)),
                               tree(file("", none, 0)),
                               tree(file("a\\\\x00b", none, 0)),
                               tree(folder("a", std::string(64, 'c'))),
                               tree("{}"),
                               tree(R"({"name":"a","type":"dir"})"),
                               piece("tree", "{\"nodes\":[")};
  finish_pack();
  for (const std::string& root : trees) snapshot(root, "/");
  const auto repository = open();
  const auto all = (*repository)->snapshots(hooks_);
  ASSERT_EQ(all->size(), std::size(trees));
  for (const ForeignSnapshot& one : *all) {
    const auto found = contents(**repository, one);
    ASSERT_FALSE(found);
    EXPECT_TRUE(found.error().code() == ErrorCode::kCorruption ||
                found.error().code() == ErrorCode::kNotFound)
        << found.error().describe();
  }
}

TEST(ResticNode, UnderstandsModesTimesDevicesAndAttributes) {
  const auto node = parse_node(
      R"({"name":"null","type":"chardev","mode":70255030,"mtime":"1969-12-31T23:59:59.999999999Z",)"
      R"("device":66310,"links":2,"inode":9,"device_id":5,"extended_attributes":[)"
      R"({"name":"user.b","value":"AAE="},{"name":"user.a","value":null}],"generic":{"x":[1]}})");
  ASSERT_TRUE(node) << node.error().describe();
  const snapshot::Entry& entry = *node->entry;
  EXPECT_EQ(entry.type, snapshot::EntryType::kCharDevice);
  EXPECT_EQ(entry.mode, 0666U | 01000U);
  EXPECT_EQ(entry.modified, (Timestamp{.seconds = -1, .nanos = 999'999'999}));
  EXPECT_EQ(entry.special_device, (std::uint64_t{259} << 32) | 6);
  EXPECT_EQ(entry.links, 2U);
  EXPECT_EQ(entry.device, 5U);
  ASSERT_EQ(entry.xattrs.size(), 2U);
  EXPECT_EQ(entry.xattrs[0].name, "user.a");
  EXPECT_EQ(entry.xattrs[1].value, (Bytes{0, 1}));
}

TEST(ResticNode, TakesNamesApartAsGoQuotesThem) {
  const std::pair<const char*, std::string> names[] = {{R"(plain)", "plain"},
                                                       {R"(\xff\n\\\")", "\xff\n\\\""},
                                                       {R"(\u00e9)", "\xc3\xa9"},
                                                       {R"(\U0001f600)", "\xf0\x9f\x98\x80"},
                                                       {R"(\a\b\f\r\t\v)", "\a\b\f\r\t\v"}};
  for (const auto& [quoted, plain] : names) EXPECT_EQ(*go_unquoted(quoted), plain);
  for (const char* bad : {"\"", "\\", "\\x1", "\\q", "\\ud800", "\\U00110000", "a\nb"})
    EXPECT_FALSE(go_unquoted(bad)) << bad;
}

TEST(ResticNode, TakesTheRawTargetOfALink) {
  const auto node =
      parse_node(R"({"name":"l","type":"symlink","linktarget":"?","linktarget_raw":"/w=="})");
  EXPECT_EQ(node->entry->symlink_target, "\xff");
}

TEST(ResticIndex, FindsPiecesOfBothFormats) {
  Index index;
  const std::string one(64, '1');
  const std::string two(64, '2');
  ASSERT_TRUE(index.add(fmt::format(
      R"({{"supersedes":[],"packs":[{{"id":"{0}","blobs":[{{"id":"{0}","type":"data","offset":5,)"
      R"("length":40}},{{"id":"{1}","offset":45,"length":50,"uncompressed_length":99}}]}}]}})",
      one, two)));
  index.sort();
  EXPECT_EQ(index.find(*Id::from_hex(one))->plain_bytes, 8U);
  EXPECT_EQ(index.find(*Id::from_hex(two))->plain_bytes, 99U);
  EXPECT_TRUE(index.find(*Id::from_hex(two))->compressed);
  EXPECT_FALSE(index.find(*Id::from_hex(std::string(64, '3'))));
}

TEST(ResticIndex, AddsNothingOfAFileThatIsBroken) {
  Index index;
  const std::string id(64, '1');
  for (const char* piece : {R"("offset":1,"length":31)", R"("offset":4294967296,"length":50)",
                            R"("offset":1,"length":-5)", R"("length":4294967296)"}) {
    const auto added = index.add(
        fmt::format(R"({{"packs":[{{"id":"{0}","blobs":[{{"id":"{0}","offset":1,"length":40}},)"
                    R"({{"id":"{0}",{1}}}]}}]}})",
                    id, piece));
    ASSERT_FALSE(added) << piece;
    EXPECT_EQ(added.error().code(), ErrorCode::kCorruption);
  }
  EXPECT_EQ(index.size(), 0U);
}

}  // namespace
}  // namespace backstay::foreign::restic
