#include "backend/sftp/files.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <optional>

#include "base/try.h"

namespace backstay::backend::sftp {
namespace {

// On their way at once: enough for 20 MB/s down over a line of 50 ms, and less than the window that
// libssh gives the server, so that neither side waits for the other with full hands. Answers to
// writes are small, so more of these may be on their way; OpenSSH's window is 2 MiB.
constexpr std::size_t kInFlightMax = 1024 * 1024;
constexpr std::size_t kWritesInFlightMax = 2 * 1024 * 1024;

constexpr std::uint32_t kFileMode = 0600;
constexpr std::uint32_t kFolderMode = 0700;

constexpr const char* kSync = "fsync@openssh.com";
constexpr const char* kLink = "hardlink@openssh.com";
constexpr const char* kSpace = "statvfs@openssh.com";

// The server's words go into messages, so nothing that a terminal obeys may be among them.
std::string printable(std::string_view text) {
  constexpr std::size_t kShownMax = 200;
  std::string out(text.substr(0, kShownMax));
  std::ranges::replace_if(
      out, [](char c) { return c < ' ' || c > '~'; }, '?');
  return out;
}

Result<Attributes> attributes_in(const Answer& answer, std::string_view doing) {
  if (answer.reply.message == Message::kAttrs) return answer.reply.attributes;
  return refused(answer, doing);
}

// Some servers call it a failure when a path leads through a file, others say that there is
// nothing.
Result<bool> leads_through_a_file(Client& client, std::string path) {
  while (path.size() > 1) {
    Request look = client.request(Message::kLstat);
    const Answer answer = TRY(client.ask(look.text(path)));
    if (answer.reply.message == Message::kAttrs) return !answer.reply.attributes.is_folder();
    if (!answer.is(StatusCode::kFailure)) return false;
    path.resize(std::min(path.rfind('/'), path.size() - 1));
  }
  return false;
}

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash);
}

// What kLstat says of `path`.
Result<Attributes> judge_look(Client& client, const Answer& answer, const std::string& path) {
  if (answer.is(StatusCode::kFailure) && TRY(leads_through_a_file(client, folder_of(path)))) {
    return fail(ErrorCode::kNotFound, fmt::format("looking at {}: it is below a file", path));
  }
  return attributes_in(answer, "looking at " + path);
}

Result<std::uint32_t> send_close(Client& client, const std::string& handle) {
  Request close = client.request(Message::kClose);
  return client.send(close.text(handle));
}

// Of what was only read, or is given up: what comes of it is no matter.
Result<void> let_go(Client& client, const std::string& handle) {
  client.forget(TRY(send_close(client, handle)));
  return {};
}

// Version 3 calls a full disk a failure like any other.
Error judge_write(Client& client, const Answer& answer, const std::string& path) {
  Error error = refused(answer, "writing " + path).error();
  if (!answer.is(StatusCode::kFailure) || !client.offers(kSpace)) return error;
  Request question = client.request(Message::kExtended);
  const auto told = client.ask(question.text(kSpace).text(path));
  if (!told || told->reply.message != Message::kExtendedReply) return error;
  const auto space = decode_space(told->bytes());
  // Less than the largest single write.
  constexpr std::uint64_t kNothingLeft = 256 * 1024;
  if (!space || space->bytes_free >= kNothingLeft) return error;
  return {ErrorCode::kNoSpace, fmt::format("writing {}: no space is left on the server", path)};
}

// Writes that were sent, oldest first.
class Writes {
 public:
  Writes(Client& client, const std::string& handle) : client_(client), handle_(handle) {}

  // Returns early with what the server refuses to write.
  Result<std::optional<Answer>> add(ByteView piece) {
    while (!piece.empty()) {
      const ByteView part = piece.first(std::min(piece.size(), client_.write_max()));
      while (in_flight_ + part.size() > kWritesInFlightMax) {
        if (auto answer = TRY(take_oldest())) return answer;
      }
      Request write = client_.request(Message::kWrite);
      write.text(handle_).large_number(offset_).number(static_cast<std::uint32_t>(part.size()));
      sent_.push_back({TRY(client_.send(write, part)), part.size()});
      in_flight_ += part.size();
      offset_ += part.size();
      piece = piece.subspan(part.size());
    }
    return std::nullopt;
  }

  Result<std::optional<Answer>> finish() {
    while (!sent_.empty()) {
      if (auto answer = TRY(take_oldest())) return answer;
    }
    return std::nullopt;
  }

 private:
  struct Sent {
    std::uint32_t id;
    std::size_t size;
  };

  Result<std::optional<Answer>> take_oldest() {
    Answer answer = TRY(client_.wait(sent_.front().id));
    in_flight_ -= sent_.front().size;
    sent_.pop_front();
    if (answer.is(StatusCode::kOk)) return std::nullopt;
    return answer;
  }

  Client& client_;
  const std::string& handle_;
  std::deque<Sent> sent_;
  std::size_t in_flight_ = 0;
  std::uint64_t offset_ = 0;
};

// What the server could not store it may tell at the very end, when the file is closed: `closing`
// is the request for that, once it was sent.
Result<void> write_all(Client& client, const std::string& path, const std::string& handle,
                       const StreamedBytes& bytes, std::optional<std::uint32_t>& closing) {
  Writes writes(client, handle);
  std::optional<Answer> trouble;
  TRY(for_each_piece(bytes, [&](ByteView piece) -> Result<void> {
    if (!trouble) trouble = TRY(writes.add(piece));
    return {};
  }));
  // Right behind the last write: a server does one after the other.
  std::optional<std::uint32_t> sync_id;
  if (!trouble && client.offers(kSync)) {
    Request sync = client.request(Message::kExtended);
    sync_id = TRY(client.send(sync.text(kSync).text(handle)));
  }
  if (!trouble) {
    closing = TRY(send_close(client, handle));
    trouble = TRY(writes.finish());
  }
  if (trouble) return std::unexpected(judge_write(client, *trouble, path));
  if (sync_id) {
    const Answer synced = TRY(client.wait(*sync_id));
    if (!synced.is(StatusCode::kOk) && !synced.is(StatusCode::kUnsupported))
      return std::unexpected(judge_write(client, synced, path));
  }
  const Answer closed = TRY(client.wait(*closing));
  if (closed.is(StatusCode::kOk)) return {};
  return std::unexpected(judge_write(client, closed, path));
}

bool is_dots(const NamedFile& file) {
  return file.name == "." || file.name == "..";
}

struct Reading {
  Folder* folder = nullptr;
  std::uint32_t id = 0;
  std::string handle;
};

// Those that could be opened; a folder that is not there has nothing in it.
Result<std::vector<Reading>> open_folders(Client& client, std::vector<Folder>& folders,
                                          std::optional<Error>& trouble) {
  std::vector<Reading> readings;
  for (Folder& folder : folders) {
    Request open = client.request(Message::kOpendir);
    readings.push_back(
        {.folder = &folder, .id = TRY(client.send(open.text(folder.path))), .handle = {}});
  }
  std::vector<Reading> open;
  for (Reading& reading : readings) {
    Answer answer = TRY(client.wait(reading.id));
    if (answer.reply.message == Message::kHandle) {
      reading.handle = std::move(answer.reply.text);
      open.push_back(std::move(reading));
    } else if (!answer.is(StatusCode::kNoSuchFile) && !trouble) {
      const std::string& path = reading.folder->path;
      const bool is_none =
          answer.is(StatusCode::kFailure) && TRY(leads_through_a_file(client, path));
      if (!is_none) trouble = refused(answer, "listing " + path).error();
    }
  }
  return open;
}

Result<std::uint32_t> send_make_folder(Client& client, const std::string& path) {
  Request make = client.request(Message::kMkdir);
  return client.send(make.text(path).mode(kFolderMode));
}

// False: the folder has no more, or there is trouble.
bool take_names(Reading& reading, Answer answer, std::optional<Error>& trouble) {
  if (trouble) return false;
  if (answer.reply.message == Message::kName) {
    std::erase_if(answer.reply.files, is_dots);
    std::ranges::move(answer.reply.files, std::back_inserter(reading.folder->files));
    return true;
  }
  if (!answer.is(StatusCode::kEof))
    trouble = refused(answer, "listing " + reading.folder->path).error();
  return false;
}

Result<std::uint32_t> ask_for_names(Client& client, const Reading& reading) {
  Request more = client.request(Message::kReaddir);
  return client.send(more.text(reading.handle));
}

}  // namespace

std::unexpected<Error> refused(const Answer& answer, std::string_view doing) {
  if (answer.reply.message != Message::kStatus) {
    return fail(ErrorCode::kUnavailable, fmt::format("{}: the server answers at random", doing));
  }
  ErrorCode code = ErrorCode::kUnavailable;
  std::string what = "the server fails";
  switch (answer.reply.status) {
    case StatusCode::kNoSuchFile:
      code = ErrorCode::kNotFound;
      what = "there is no such file";
      break;
    case StatusCode::kPermissionDenied:
      code = ErrorCode::kPermissionDenied;
      what = "the server forbids it";
      break;
    case StatusCode::kUnsupported:
      code = ErrorCode::kUnsupported;
      what = "the server cannot do that";
      break;
    default:
      break;
  }
  if (!answer.reply.text.empty()) what += fmt::format(" (\"{}\")", printable(answer.reply.text));
  return fail(code, fmt::format("{}: {}", doing, what));
}

Result<Attributes> look_at(Client& client, const std::string& path) {
  Request look = client.request(Message::kLstat);
  return judge_look(client, TRY(client.ask(look.text(path))), path);
}

Result<std::uint32_t> send_look_through(Client& client, const std::string& path) {
  Request look = client.request(Message::kStat);
  return client.send(look.text(path));
}

Result<Attributes> take_look(Client& client, std::uint32_t id, const std::string& path) {
  return attributes_in(TRY(client.wait(id)), "looking at " + path);
}

Result<void> remove_file(Client& client, const std::string& path) {
  Request remove = client.request(Message::kRemove);
  const Answer answer = TRY(client.ask(remove.text(path)));
  if (answer.is(StatusCode::kOk) || answer.is(StatusCode::kNoSuchFile)) return {};
  return refused(answer, "removing " + path);
}

Result<void> remove_unless_folder(Client& client, const std::string& path) {
  Request look = client.request(Message::kLstat);
  const std::uint32_t looked = TRY(client.send(look.text(path)));
  Result<void> removed = remove_file(client, path);
  if (client.is_broken()) return removed;
  const Answer found = TRY(client.wait(looked));
  // Servers do not remove folders this way.
  if (found.reply.message == Message::kAttrs && found.reply.attributes.is_folder()) return {};
  return removed;
}

Result<void> make_folders(Client& client, const std::vector<std::string>& paths) {
  std::vector<std::uint32_t> sent;
  for (const std::string& path : paths) sent.push_back(TRY(send_make_folder(client, path)));
  for (const std::uint32_t id : sent) TRY(client.wait(id));
  return {};
}

Result<void> ask_for_folders(Client& client, const std::vector<std::string>& paths) {
  for (const std::string& path : paths) client.forget(TRY(send_make_folder(client, path)));
  return {};
}

Result<std::string> open_new_file(Client& client, const std::string& path) {
  Request open = client.request(Message::kOpen);
  open.text(path).number(kOpenWrite | kOpenCreate | kOpenExclusive).mode(kFileMode);
  Answer opened = TRY(client.ask(open));
  if (opened.reply.message != Message::kHandle) return refused(opened, "making " + path);
  return std::move(opened.reply.text);
}

Result<void> fill_new_file(Client& client, const std::string& path, const std::string& handle,
                           const StreamedBytes& bytes) {
  std::optional<std::uint32_t> closing;
  Result<void> written = write_all(client, path, handle, bytes, closing);
  if (client.is_broken()) return written;
  if (!closing) TRY(let_go(client, handle));
  if (!written) static_cast<void>(remove_file(client, path));
  return written;
}

Result<void> write_new_file(Client& client, const std::string& path, const StreamedBytes& bytes) {
  const std::string handle = TRY(open_new_file(client, path));
  return fill_new_file(client, path, handle, bytes);
}

Result<Answer> give_name(Client& client, const std::string& from, const std::string& to,
                         Naming naming) {
  if (naming == Naming::kRename) {
    Request rename = client.request(Message::kRename);
    return client.ask(rename.text(from).text(to));
  }
  Request link = client.request(Message::kExtended);
  const std::uint32_t linked = TRY(client.send(link.text(kLink).text(from).text(to)));
  Request remove = client.request(Message::kRemove);
  const std::uint32_t removed = TRY(client.send(remove.text(from)));
  Answer answer = TRY(client.wait(linked));
  TRY(client.wait(removed));
  return answer;
}

Result<OpenFile> open_to_read(Client& client, const std::string& path) {
  const std::string doing = "opening " + path;
  Request look = client.request(Message::kLstat);
  const std::uint32_t looked = TRY(client.send(look.text(path)));
  Request open = client.request(Message::kOpen);
  // What is no regular file might make the server wait; only regular files are in a store's
  // folders unless somebody puts others there, and then the line breaks off in time.
  const std::uint32_t opened = TRY(client.send(open.text(path).number(kOpenRead).number(0)));
  const Answer attributes = TRY(client.wait(looked));
  const Answer handle = TRY(client.wait(opened));
  const Result<Attributes> found = judge_look(client, attributes, path);
  const bool fit = found && found->is_regular() && found->size;
  if (handle.reply.message != Message::kHandle) {
    if (found && !fit) return fail(ErrorCode::kNotFound, path + " is not a regular file");
    if (!found) return std::unexpected(found.error().clone());
    return refused(handle, doing);
  }
  if (fit) return OpenFile{.handle = handle.reply.text, .size = *found->size};
  TRY(let_go(client, handle.reply.text));
  if (!found) return std::unexpected(found.error().clone());
  return fail(ErrorCode::kNotFound, path + " is not a regular file");
}

Result<void> close_file(Client& client, const OpenFile& file) {
  return let_go(client, file.handle);
}

Result<void> sync_file(Client& client, const OpenFile& file) {
  if (!client.offers(kSync)) return {};
  Request sync = client.request(Message::kExtended);
  const Answer synced = TRY(client.ask(sync.text(kSync).text(file.handle)));
  if (synced.is(StatusCode::kOk) || synced.is(StatusCode::kUnsupported)) return {};
  return refused(synced, "syncing a file");
}

Result<std::size_t> read_at(Client& client, const OpenFile& file, std::uint64_t offset,
                            MutableByteView out) {
  struct Asked {
    std::uint32_t id;
    std::size_t at;
    std::size_t size;
  };
  std::deque<Asked> asked;
  const auto ask_for = [&](std::size_t at, std::size_t size) -> Result<Asked> {
    Request read = client.request(Message::kRead);
    read.text(file.handle).large_number(offset + at).number(static_cast<std::uint32_t>(size));
    return Asked{.id = TRY(client.send(read)), .at = at, .size = size};
  };
  std::size_t next = 0;
  std::size_t in_flight = 0;
  std::size_t end = out.size();  // where the file turned out to end
  while (next < end || !asked.empty()) {
    while (next < end && (asked.empty() || in_flight < kInFlightMax)) {
      const std::size_t size = std::min(end - next, client.read_max());
      asked.push_back(TRY(ask_for(next, size)));
      next += size;
      in_flight += size;
    }
    const Asked oldest = asked.front();
    asked.pop_front();
    const Answer answer = TRY(client.wait(oldest.id));
    in_flight -= oldest.size;
    if (answer.is(StatusCode::kEof)) {
      end = std::min(end, oldest.at);
      continue;
    }
    if (answer.reply.message != Message::kData) {
      Error error = refused(answer, "reading").error();
      if (!answer.is(StatusCode::kFailure)) return std::unexpected(std::move(error));
      return fail(ErrorCode::kCorruption, error.describe());
    }
    const ByteView bytes = answer.bytes();
    if (bytes.empty() || bytes.size() > oldest.size) {
      return fail(ErrorCode::kUnavailable, "the server sent other bytes than were asked for");
    }
    std::ranges::copy(bytes, out.begin() + static_cast<std::ptrdiff_t>(oldest.at));
    if (bytes.size() == oldest.size) continue;
    // A server may give less than it was asked for.
    asked.push_front(TRY(ask_for(oldest.at + bytes.size(), oldest.size - bytes.size())));
    in_flight += asked.front().size;
  }
  return end;
}

Result<std::uint32_t> time_of_new_file(Client& client, const std::string& path) {
  const std::string handle = TRY(open_new_file(client, path));
  Request look = client.request(Message::kFstat);
  const std::uint32_t looked = TRY(client.send(look.text(handle)));
  const std::uint32_t closed = TRY(send_close(client, handle));
  TRY(remove_file(client, path));
  TRY(client.wait(closed));
  const Attributes found = TRY(attributes_in(TRY(client.wait(looked)), "looking at " + path));
  if (found.modified_seconds) return *found.modified_seconds;
  return fail(ErrorCode::kUnsupported, "the server does not say when a file was made");
}

// Every folder is at the same step: all are opened, then all are asked for more until none has any.
// Most have little: what they have and that it is all of it are asked for at once.
Result<void> read_folders(Client& client, std::vector<Folder>& folders) {
  std::optional<Error> trouble;
  std::vector<Reading> open = TRY(open_folders(client, folders, trouble));
  while (!open.empty()) {
    std::vector<std::uint32_t> second;
    for (Reading& reading : open) {
      reading.id = TRY(ask_for_names(client, reading));
      second.push_back(TRY(ask_for_names(client, reading)));
    }
    std::vector<Reading> unfinished;
    for (std::size_t i = 0; i < open.size(); ++i) {
      const bool more = take_names(open[i], TRY(client.wait(open[i].id)), trouble);
      Answer after = TRY(client.wait(second[i]));
      if (more && take_names(open[i], std::move(after), trouble)) {
        unfinished.push_back(std::move(open[i]));
      } else {
        TRY(let_go(client, open[i].handle));
      }
    }
    open = std::move(unfinished);
  }
  if (trouble) return std::unexpected(*std::move(trouble));
  return {};
}

}  // namespace backstay::backend::sftp
