#include "backend/ftp/ftp_files.h"

#include <fmt/format.h>

#include <algorithm>

#include "backend/ftp/facts.h"
#include "base/try.h"

namespace backstay::backend::ftp {
namespace {

using http::FtpAnswer;
using http::FtpReply;
using remote::Entry;
using remote::Kind;
using remote::Renamed;

constexpr std::uint64_t kListBytesMax = 128 << 20;
// So many names are asked for in one go where the server has no lists for programs.
constexpr std::size_t kQuestionsAtOnce = 200;
constexpr std::uint64_t kRestBytesMax = 512 * 1024;
// Once only: two processes of the server that still write what was cut before may each leave a gap
// that the other's length hides.
constexpr int kResumesMax = 1;
// What is said where a server's number would also mean that nothing is there.
constexpr int kForbidden = 553;
// Less is sent anew sooner than it is asked for.
constexpr std::uint64_t kResumedBytesMin = 256 * 1024;

ErrorCode code_of(int code) {
  switch (code) {
    case 421:
    case 425:
    case 426:
    case 450:
    case 451:
      return ErrorCode::kUnavailable;
    case 452:
    case 552:
      return ErrorCode::kNoSpace;
    case 500:
    case 501:
    case 502:
    case 503:
    case 504:
      return ErrorCode::kUnsupported;
    case 550:
      return ErrorCode::kNotFound;
    default:
      return code / 100 == 4 ? ErrorCode::kUnavailable : ErrorCode::kPermissionDenied;
  }
}

Entry folder_entry() {
  return {.name = {}, .kind = Kind::kFolder, .size_bytes = {}, .modified = {}};
}

// From what SIZE, MDTM and CWD said; nothing where nothing is.
Result<std::optional<Entry>> entry_of(std::span<const FtpReply> said) {
  if (said[0].succeeded() && said[1].succeeded()) {
    Entry entry{.name = {}, .kind = Kind::kFile, .size_bytes = {}, .modified = {}};
    entry.size_bytes = TRY(parse_size_reply(said[0].text));
    entry.modified = TRY(parse_time_reply(said[1].text));
    return entry;
  }
  if (said[2].succeeded()) return folder_entry();
  const auto is_absent = [](const FtpReply& reply) {
    return code_of(reply.code) == ErrorCode::kNotFound;
  };
  if (std::ranges::all_of(said, is_absent)) return std::optional<Entry>();
  return fail(ErrorCode::kUnavailable,
              fmt::format("the server answers {}, {} and {} to SIZE, MDTM and CWD", said[0].code,
                          said[1].code, said[2].code));
}

}  // namespace

// ---- opening

Result<std::unique_ptr<FtpFiles>> FtpFiles::connect(FtpFilesOptions options) {
  std::unique_ptr<FtpFiles> files(new FtpFiles(std::move(options)));
  TRY_DOING("connecting to " + files->place(), files->begin());
  return files;
}

Result<void> FtpFiles::begin() {
  const auto features = TRY(client_.commands({"FEAT"}));
  machine_lists_ = features[0].succeeded() && has_feature(features[0].text, "MLST");
  root_ = options_.root;
  if (root_ == "/~" || root_.starts_with("/~/")) {
    std::string first = TRY(client_.first_folder());
    while (first.ends_with('/')) first.pop_back();
    root_ = first + root_.substr(2);
  }
  return {};
}

std::string FtpFiles::full_path(const std::string& path) const {
  if (!path.empty()) return fmt::format("{}/{}", root_, path);
  return root_.empty() ? "/" : root_;
}

Result<std::vector<FtpReply>> FtpFiles::ask(const std::vector<std::string>& commands) {
  return TRY_DOING("asking " + options_.place, client_.commands(commands));
}

Error FtpFiles::refusal(int code, std::string_view doing) const {
  const ErrorCode meaning = code_of(code);
  Error error(meaning, fmt::format("{}: the server answers {}", doing, code));
  switch (meaning) {
    case ErrorCode::kPermissionDenied:
      return std::move(error).with_hint(
          "The account needs to read, write, list, rename and remove below this folder: "
          "docs/backends/ftp.md has what servers must let it do.");
    case ErrorCode::kNoSpace:
      return std::move(error).with_hint("The server's disk, or the account's quota, is full.");
    case ErrorCode::kUnsupported:
      return std::move(error).with_hint(
          "The server must know SIZE, MDTM, REST and MLSD, or NLST with -a.");
    default:
      return error;
  }
}

// ---- looking

Result<Entry> FtpFiles::look(const std::string& path) {
  return look_at(full_path(path));
}

Result<Entry> FtpFiles::look_at(const std::string& full) {
  if (!machine_lists_) return look_by_questions(full);
  const auto said = TRY(ask({"MLST " + full}));
  if (said[0].succeeded()) return parse_machine_reply(said[0].text);
  return std::unexpected(refusal(said[0].code, "looking for " + full));
}

Result<Entry> FtpFiles::look_by_questions(const std::string& full) {
  const auto said = TRY(ask({"SIZE " + full, "MDTM " + full, "CWD " + full}));
  if (auto entry = TRY(entry_of(said))) return *std::move(entry);
  return fail(ErrorCode::kNotFound, full + " is not there");
}

Result<std::vector<Entry>> FtpFiles::read_folder(const std::string& path) {
  const std::string full = full_path(path);
  if (!machine_lists_) return read_by_names(full);
  Bytes text;
  const FtpAnswer answer = TRY(client_.list("MLSD", full, text, kListBytesMax));
  if (answer.succeeded()) {
    return TRY_DOING("listing " + full, parse_machine_list(as_text(text)));
  }
  // Servers differ in what they say of a file, and say the same of a closed folder as of none.
  const auto itself = look(path);
  if (!itself && itself.error().code() != ErrorCode::kNotFound) {
    return std::unexpected(itself.error().clone());
  }
  if (itself && itself->kind != Kind::kFolder) {
    return fail(ErrorCode::kNotFound, full + " is no folder");
  }
  const bool closed = itself && code_of(answer.code) == ErrorCode::kNotFound;
  return std::unexpected(refusal(closed ? kForbidden : answer.code, "listing " + full));
}

// Of a folder that CWD does not go to: the one above knows whether it is there.
Error FtpFiles::not_entered(int code, const std::string& full) {
  Error error = refusal(code, "listing " + full);
  if (error.code() != ErrorCode::kNotFound || full == full_path("")) return error;
  const std::size_t slash = full.rfind('/');
  const auto beside = names_in(slash == 0 ? "/" : full.substr(0, slash));
  if (!beside) return beside.error().clone();
  if (std::ranges::find(*beside, full.substr(slash + 1)) == beside->end()) return error;
  const auto size = size_of(full);
  if (size) return {ErrorCode::kNotFound, full + " is no folder"};
  if (size.error().retryable()) return size.error().clone();
  return refusal(kForbidden, "listing " + full);
}

// A folder that is not there, or that the server cannot open, is an empty list to some servers; in
// every other there is the folder itself.
Result<std::vector<std::string>> FtpFiles::names_in(const std::string& full) {
  const auto there = TRY(ask({"CWD " + full}));
  if (!there[0].succeeded()) return std::unexpected(not_entered(there[0].code, full));
  Bytes text;
  const FtpAnswer answer = TRY(client_.list("NLST -a", full, text, kListBytesMax));
  if (!answer.succeeded()) {
    const bool closed = code_of(answer.code) == ErrorCode::kNotFound;
    return std::unexpected(refusal(closed ? kForbidden : answer.code, "listing " + full));
  }
  auto names = TRY_DOING("listing " + full, parse_names(as_text(text)));
  if (names_itself(as_text(text))) return names;
  return fail(ErrorCode::kUnavailable,
              fmt::format("listing {}: the server's list does not have the folder itself", full));
}

// What is in a list and then is not there went meanwhile, or is closed: then it is listed again.
Result<void> FtpFiles::check_gone(const std::string& full, const std::vector<std::string>& gone) {
  if (gone.empty()) return {};
  const auto names = TRY(names_in(full));
  for (const std::string& name : gone) {
    if (std::ranges::find(names, name) == names.end()) continue;
    return std::unexpected(refusal(kForbidden, fmt::format("looking at {}/{}", full, name)));
  }
  return {};
}

Result<std::vector<Entry>> FtpFiles::read_by_names(const std::string& full) {
  const auto names = TRY(names_in(full));
  std::vector<Entry> entries;
  std::vector<std::string> gone;
  const std::string start = full.ends_with('/') ? full : full + "/";
  for (std::size_t first = 0; first < names.size(); first += kQuestionsAtOnce) {
    const std::size_t last = std::min(names.size(), first + kQuestionsAtOnce);
    std::vector<std::string> commands;
    for (std::size_t i = first; i < last; ++i) {
      for (const char* const command : {"SIZE ", "MDTM ", "CWD "}) {
        commands.push_back(command + start + names[i]);
      }
    }
    const auto said = TRY(ask(commands));
    for (std::size_t i = first; i < last; ++i) {
      auto entry = TRY(entry_of(std::span(said).subspan((i - first) * 3, 3)));
      if (!entry) {
        gone.push_back(names[i]);
        continue;
      }
      entry->name = names[i];
      entries.push_back(*std::move(entry));
    }
  }
  TRY(check_gone(full, gone));
  return entries;
}

// ---- writing

Result<void> FtpFiles::make_folder_at(const std::string& full) {
  const auto said = TRY(ask({"MKD " + full}));
  if (said[0].succeeded()) return {};
  const auto there = look_at(full);
  if (there && there->kind == Kind::kFolder) return {};
  return std::unexpected(refusal(said[0].code, "making the folder " + full));
}

Result<void> FtpFiles::make_folder(const std::string& path) {
  return make_folder_at(full_path(path));
}

Result<void> FtpFiles::make_root() {
  // Whoever may not look at the folders above may still make one in his own.
  Result<void> made;
  for (std::size_t slash = 0; slash != std::string::npos && !root_.empty();) {
    slash = root_.find('/', slash + 1);
    made = make_folder_at(root_.substr(0, slash));
  }
  return made;
}

Result<std::uint64_t> FtpFiles::size_of(const std::string& full) {
  const auto said = TRY(ask({"SIZE " + full}));
  if (said[0].succeeded()) return parse_size_reply(said[0].text);
  return std::unexpected(refusal(said[0].code, "looking at " + full));
}

// The server's word alone is not taken for it: the end of a data connection looks the same whether
// all came or not.
Result<void> FtpFiles::check_written(int code, const std::string& path,
                                     const StreamedBytes& bytes) {
  const std::string full = full_path(path);
  if (code / 100 != 2) {
    const ErrorCode meaning = code_of(code);
    // Servers have one number for a folder that is gone and for one that is closed.
    const bool vague = meaning == ErrorCode::kNotFound || meaning == ErrorCode::kPermissionDenied;
    if (vague) TRY(look(""));
    return std::unexpected(refusal(vague ? kForbidden : code, "writing " + full));
  }
  const std::uint64_t size = TRY(size_of(full));
  if (size == bytes.size) return {};
  return fail(ErrorCode::kUnavailable,
              fmt::format("of {} bytes of {} the server has {}", bytes.size, full, size));
}

// The file has a name of its own that nobody else writes to, so what the server has of it is the
// beginning of these bytes, whoever of its processes still writes: two that overlap write the same
// bytes to the same place, or make the file longer than it should be, which is seen in the end.
Result<void> FtpFiles::write(const std::string& path, const StreamedBytes& bytes) {
  const std::string full = full_path(path);
  ahead_.forget(path);
  auto sent = client_.store(full, bytes, 0, http::FtpClient::Append::kNo);
  std::uint64_t before = 0;
  for (int resumed = 0; !sent && sent.error().retryable() && resumed < kResumesMax; ++resumed) {
    const auto there = size_of(full);
    if (!there || *there < before + kResumedBytesMin || *there > bytes.size) break;
    before = *there;
    sent = client_.store(full, bytes, before, http::FtpClient::Append::kYes);
  }
  if (!sent) return std::unexpected(std::move(sent).error().with_context("writing " + full));
  return check_written(sent->code, path, bytes);
}

Result<Renamed> FtpFiles::rename(const std::string& from, const std::string& to) {
  ahead_.forget(to);
  const auto said = TRY(ask({"RNFR " + full_path(from), "RNTO " + full_path(to)}));
  if (said[1].succeeded()) return Renamed::kDone;
  if (said[0].code / 100 != 3) {
    return fail(ErrorCode::kUnavailable, "the file that was to get a name is gone, or has it");
  }
  Error error = refusal(said[1].code, "giving a file the name " + full_path(to));
  if (error.code() != ErrorCode::kNotFound) return std::unexpected(std::move(error));
  return std::unexpected(refusal(kForbidden, "giving a file the name " + full_path(to)));
}

Result<void> FtpFiles::remove_file(const std::string& path) {
  ahead_.forget(path);
  const auto said = TRY(ask({"DELE " + full_path(path)}));
  if (said[0].succeeded()) return {};
  const auto there = look(path);
  if (!there && there.error().code() == ErrorCode::kNotFound) return {};
  if (there && there->kind == Kind::kFolder) return {};
  Error error = refusal(said[0].code, "removing " + full_path(path));
  if (error.code() != ErrorCode::kNotFound) return std::unexpected(std::move(error));
  return std::unexpected(refusal(kForbidden, "removing " + full_path(path)));
}

// ---- reading

Error FtpFiles::not_read(int code, const std::string& path) {
  Error error = refusal(code, "reading " + full_path(path));
  if (error.code() != ErrorCode::kNotFound && error.code() != ErrorCode::kPermissionDenied) {
    return error;
  }
  const auto there = look(path);
  if (!there && there.error().code() != ErrorCode::kNotFound) return there.error().clone();
  if (!there) return error;
  if (there->kind == Kind::kFile) return refusal(kForbidden, "reading " + full_path(path));
  return {ErrorCode::kNotFound, path + " is no file"};
}

Result<Bytes> FtpFiles::read(const std::string& path, std::uint64_t size_max) {
  Bytes bytes;
  const auto sink = [&](ByteView piece) -> Result<void> {
    if (piece.size() > size_max - bytes.size()) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("{} has more than {} bytes", path, size_max));
    }
    append(bytes, piece);
    return {};
  };
  const FtpAnswer answer = TRY(client_.retrieve(full_path(path), 0, ~std::uint64_t{0}, sink));
  if (answer.succeeded()) return bytes;
  return std::unexpected(not_read(answer.code, path));
}

// A transfer that ends before the file does costs the connection, and so a login: what is left is
// rather fetched, too, when it is not much.
Result<Bytes> FtpFiles::fetch(const std::string& path, std::uint64_t offset, std::uint64_t size) {
  auto said = TRY(ask({"SIZE " + full_path(path)}));
  if (!said[0].succeeded()) {
    Error why = not_read(said[0].code, path);
    const bool is_there =
        code_of(said[0].code) == ErrorCode::kNotFound && why.code() == ErrorCode::kPermissionDenied;
    if (!is_there) return std::unexpected(std::move(why));
    // Closed, or it came in between.
    said = TRY(ask({"SIZE " + full_path(path)}));
    if (!said[0].succeeded()) return std::unexpected(std::move(why));
  }
  const std::uint64_t size_there = TRY(parse_size_reply(said[0].text));
  if (offset >= size_there) return Bytes();
  const std::uint64_t left = size_there - offset;
  if (left <= size || left - size <= kRestBytesMax) size = left;
  Bytes bytes;
  const auto sink = [&](ByteView piece) -> Result<void> {
    if (piece.size() > size - bytes.size()) {
      return fail(ErrorCode::kUnavailable, "the server gives more than was asked for");
    }
    append(bytes, piece);
    return {};
  };
  const FtpAnswer answer =
      TRY(client_.retrieve(full_path(path), offset, size == left ? ~std::uint64_t{0} : size, sink));
  if (!answer.succeeded()) return std::unexpected(not_read(answer.code, path));
  if (bytes.size() == size) return bytes;
  return fail(ErrorCode::kUnavailable,
              fmt::format("{} of {} bytes of {} came", bytes.size(), size, full_path(path)));
}

Result<void> FtpFiles::read_range(const std::string& path, std::uint64_t offset,
                                  MutableByteView out) {
  const std::size_t got =
      TRY(ahead_.read(path, offset, out, [&](std::uint64_t from, std::uint64_t size) {
        return fetch(path, from, size);
      }));
  if (got == out.size()) return {};
  return fail(ErrorCode::kCorruption,
              fmt::format("{} ends before {} + {} bytes", path, offset, out.size()));
}

}  // namespace backstay::backend::ftp
