#include "backend/sftp/testing/memory_server.h"

#include <algorithm>
#include <array>

#include "base/assert.h"
#include "base/try.h"

namespace backstay::backend::sftp {
namespace {

constexpr std::uint32_t kModeOfFile = 0100600;
constexpr std::uint32_t kModeOfFolder = 0040700;
constexpr std::uint32_t kSizeModeTimes = 0x01 | 0x04 | 0x08;

void put_be(Bytes& out, std::uint64_t value, int size) {
  for (int shift = (size - 1) * 8; shift >= 0; shift -= 8) {
    out.push_back(static_cast<std::uint8_t>(value >> shift));
  }
}

void put_text(Bytes& out, ByteView text) {
  put_be(out, text.size(), 4);
  append(out, text);
}

// Requests come from our own client, so they are whole.
class RequestReader {
 public:
  explicit RequestReader(ByteView left) : left_(left) {}
  std::uint64_t number(std::size_t size) {
    std::uint64_t value = 0;
    for (const std::uint8_t byte : bytes(size)) value = (value << 8U) | byte;
    return value;
  }
  ByteView bytes(std::size_t size) {
    ASSERT(size <= left_.size());
    const ByteView taken = left_.first(size);
    left_ = left_.subspan(size);
    return taken;
  }
  std::string text() { return std::string(as_text(bytes(number(4)))); }

 private:
  ByteView left_;
};

Bytes answer_of(Message message, std::uint32_t id) {
  Bytes out{static_cast<std::uint8_t>(message)};
  put_be(out, id, 4);
  return out;
}

Bytes status(std::uint32_t id, StatusCode code) {
  Bytes out = answer_of(Message::kStatus, id);
  put_be(out, static_cast<std::uint32_t>(code), 4);
  put_text(out, as_bytes("as the test wants it"));
  put_text(out, {});
  return out;
}

void put_attributes(Bytes& out, std::size_t size, bool is_folder) {
  put_be(out, kSizeModeTimes, 4);
  put_be(out, size, 8);
  put_be(out, is_folder ? kModeOfFolder : kModeOfFile, 4);
  put_be(out, 1000, 4);
  put_be(out, 1000, 4);
}

// What is written is answered when somebody reads, so that much may be on its way.
class MemoryChannel final : public ByteChannel {
 public:
  explicit MemoryChannel(MemoryServer& server) : server_(server) {
    append(output_, as_bytes(server.traits().greeting));
  }

  Result<void> write(ByteView bytes) override {
    if (cut_) return fail(ErrorCode::kUnavailable, "the line was cut");
    append(input_, bytes);
    return {};
  }

  Result<void> read(MutableByteView out) override {
    while (output_.size() - read_ < out.size() && !cut_) {
      if (!serve_all()) break;
    }
    if (output_.size() - read_ < out.size()) {
      return fail(ErrorCode::kUnavailable, "the line was cut");
    }
    std::copy_n(output_.begin() + static_cast<std::ptrdiff_t>(read_), out.size(), out.begin());
    read_ += out.size();
    return {};
  }

 private:
  bool serve_all() {
    std::vector<Bytes> answers;
    std::size_t at = 0;
    while (!cut_ && input_.size() - at >= 4) {
      RequestReader head(ByteView(input_).subspan(at, 4));
      const std::size_t size = head.number(4);
      if (input_.size() - at - 4 < size) break;
      auto answer = server_.answer(ByteView(input_).subspan(at + 4, size));
      at += 4 + size;
      if (!answer) {
        cut_ = true;
      } else {
        answers.push_back(*std::move(answer));
      }
    }
    input_.erase(input_.begin(), input_.begin() + static_cast<std::ptrdiff_t>(at));
    if (server_.traits().reverses_answers) std::ranges::reverse(answers);
    for (const Bytes& answer : answers) put_text(output_, answer);
    return !answers.empty();
  }

  MemoryServer& server_;
  Bytes input_;
  Bytes output_;
  std::size_t read_ = 0;
  bool cut_ = false;
};

}  // namespace

struct MemoryServer::Asked {
  explicit Asked(ByteView packet)
      : reader(packet),
        message(static_cast<Message>(reader.number(1))),
        id(static_cast<std::uint32_t>(reader.number(4))) {}
  RequestReader reader;
  Message message;
  std::uint32_t id;
  [[nodiscard]] Bytes says(StatusCode code) const { return status(id, code); }
};

std::unique_ptr<ByteChannel> MemoryServer::connect() {
  return std::make_unique<MemoryChannel>(*this);
}

void MemoryServer::cut_at(std::uint64_t request, Cut cut) {
  const MutexLock lock(mutex_);
  cuts_.insert_or_assign(request, cut);
}

std::uint64_t MemoryServer::requests() const {
  const MutexLock lock(mutex_);
  return requests_;
}

std::vector<std::string> MemoryServer::files() const {
  const MutexLock lock(mutex_);
  std::vector<std::string> paths;
  for (const auto& [path, file] : files_) {
    if (!file->is_folder) paths.push_back(path);
  }
  return paths;
}

std::optional<Bytes> MemoryServer::answer(ByteView packet) {
  const MutexLock lock(mutex_);
  Asked asked(packet);
  if (asked.message == Message::kInit) {
    Bytes out{static_cast<std::uint8_t>(Message::kVersion)};
    put_be(out, 3, 4);
    const auto offer = [&](std::string_view name) {
      put_text(out, as_bytes(name));
      put_text(out, as_bytes("1"));
    };
    if (traits_.offers_links) offer("hardlink@openssh.com");
    if (!traits_.offers_more) return out;
    for (const char* const name :
         {"fsync@openssh.com", "limits@openssh.com", "statvfs@openssh.com"}) {
      offer(name);
    }
    return out;
  }
  const auto cut = cuts_.find(++requests_);
  if (cut != cuts_.end() && cut->second == Cut::kBefore) return std::nullopt;
  Bytes out = serve(asked);
  if (cut != cuts_.end()) return std::nullopt;
  return out;
}

Bytes MemoryServer::serve(Asked& asked) {
  switch (asked.message) {
    case Message::kClose:
    case Message::kRead:
    case Message::kWrite:
    case Message::kFstat:
    case Message::kReaddir:
      return serve_handle(asked);
    case Message::kExtended:
      return serve_extension(asked);
    default:
      return serve_path(asked);
  }
}

Bytes MemoryServer::serve_handle(Asked& asked) {
  const auto found = handles_.find(asked.reader.text());
  if (found == handles_.end()) return asked.says(StatusCode::kFailure);
  Handle& handle = found->second;
  if (asked.message == Message::kReaddir) return list(asked, handle);
  File& file = *handle.file;
  if (asked.message == Message::kClose) {
    handles_.erase(found);
    return asked.says(StatusCode::kOk);
  }
  if (asked.message == Message::kFstat) {
    Bytes out = answer_of(Message::kAttrs, asked.id);
    put_attributes(out, file.bytes.size(), file.is_folder);
    return out;
  }
  if (asked.message == Message::kWrite) return write(asked, file);
  const std::uint64_t offset = asked.reader.number(8);
  const std::size_t size = std::min<std::size_t>(asked.reader.number(4), traits_.read_max);
  if (offset >= file.bytes.size()) return asked.says(StatusCode::kEof);
  const ByteView rest = ByteView(file.bytes).subspan(offset);
  Bytes out = answer_of(Message::kData, asked.id);
  put_text(out, rest.first(std::min(rest.size(), size)));
  return out;
}

Bytes MemoryServer::write(Asked& asked, File& file) {
  const std::uint64_t offset = asked.reader.number(8);
  const ByteView bytes = asked.reader.bytes(asked.reader.number(4));
  if (used_bytes_ + bytes.size() > traits_.space_bytes) {
    used_bytes_ = traits_.space_bytes;
    return asked.says(StatusCode::kFailure);
  }
  used_bytes_ += bytes.size();
  file.bytes.resize(std::max<std::size_t>(file.bytes.size(), offset + bytes.size()));
  std::ranges::copy(bytes, file.bytes.begin() + static_cast<std::ptrdiff_t>(offset));
  return asked.says(StatusCode::kOk);
}

// All of a folder at once, and then its end.
Bytes MemoryServer::list(Asked& asked, Handle& handle) {
  if (handle.folder.empty()) return asked.says(StatusCode::kEof);
  const std::string folder = std::exchange(handle.folder, {});
  Bytes files;
  std::uint32_t count = 0;
  for (const auto& [path, file] : files_) {
    if (!path.starts_with(folder)) continue;
    const std::string name = path.substr(folder.size());
    if (name.empty() || name.contains('/')) continue;
    put_text(files, as_bytes(name));
    put_text(files, as_bytes("a line for people"));
    put_attributes(files, file->bytes.size(), file->is_folder);
    ++count;
  }
  Bytes out = answer_of(Message::kName, asked.id);
  put_be(out, count, 4);
  append(out, files);
  return out;
}

bool MemoryServer::has_parent(const std::string& path) const {
  const std::size_t slash = path.rfind('/');
  if (slash == 0) return true;
  const auto parent = files_.find(path.substr(0, slash));
  return parent != files_.end() && parent->second->is_folder;
}

Bytes MemoryServer::new_handle(Asked& asked, Handle handle) {
  const std::string name = std::to_string(++handle_count_);
  handles_.emplace(name, std::move(handle));
  Bytes out = answer_of(Message::kHandle, asked.id);
  put_text(out, as_bytes(name));
  return out;
}

Bytes MemoryServer::open(Asked& asked, const std::string& path) {
  const auto flags = static_cast<std::uint32_t>(asked.reader.number(4));
  const auto found = files_.find(path);
  if ((flags & kOpenCreate) == 0) {
    if (found == files_.end()) return asked.says(StatusCode::kNoSuchFile);
    return new_handle(asked, {.file = found->second, .folder = {}});
  }
  if (found != files_.end()) return asked.says(StatusCode::kFailure);
  if (!has_parent(path)) return asked.says(StatusCode::kNoSuchFile);
  const auto made = files_.emplace(path, std::make_shared<File>()).first;
  return new_handle(asked, {.file = made->second, .folder = {}});
}

Bytes MemoryServer::serve_path(Asked& asked) {
  const std::string path = asked.reader.text();
  const auto found = files_.find(path);
  const bool there = found != files_.end();
  switch (asked.message) {
    case Message::kOpen:
      return open(asked, path);
    case Message::kLstat:
    case Message::kStat: {
      if (!there) return asked.says(StatusCode::kNoSuchFile);
      Bytes out = answer_of(Message::kAttrs, asked.id);
      put_attributes(out, found->second->bytes.size(), found->second->is_folder);
      return out;
    }
    case Message::kOpendir:
      if (!there || !found->second->is_folder) return asked.says(StatusCode::kNoSuchFile);
      return new_handle(asked, {.file = found->second, .folder = path + "/"});
    case Message::kRemove:
      if (!there) return asked.says(StatusCode::kNoSuchFile);
      if (found->second->is_folder) return asked.says(StatusCode::kFailure);
      files_.erase(found);
      return asked.says(StatusCode::kOk);
    case Message::kMkdir:
      if (there) return asked.says(StatusCode::kFailure);
      if (!has_parent(path)) return asked.says(StatusCode::kNoSuchFile);
      files_.emplace(path, std::make_shared<File>(File{.bytes = {}, .is_folder = true}));
      return asked.says(StatusCode::kOk);
    case Message::kRename:
      return give_name(asked, path, asked.reader.text(), false);
    default:
      return asked.says(StatusCode::kUnsupported);
  }
}

Bytes MemoryServer::give_name(Asked& asked, const std::string& from, const std::string& to,
                              bool link) {
  const auto found = files_.find(from);
  if (found == files_.end() || !has_parent(to)) return asked.says(StatusCode::kNoSuchFile);
  if (files_.contains(to) && (link || !traits_.rename_replaces)) {
    return asked.says(StatusCode::kFailure);
  }
  files_.insert_or_assign(to, found->second);
  if (!link) files_.erase(from);
  return asked.says(StatusCode::kOk);
}

Bytes MemoryServer::serve_extension(Asked& asked) {
  const std::string name = asked.reader.text();
  Bytes out = answer_of(Message::kExtendedReply, asked.id);
  if (name == "limits@openssh.com") {
    for (const std::uint64_t limit : {262144U, 261120U, 261120U, 100U}) put_be(out, limit, 8);
    return out;
  }
  if (name == "statvfs@openssh.com") {
    const std::uint64_t free = traits_.space_bytes - used_bytes_;
    for (const std::uint64_t number : {std::uint64_t{1}, std::uint64_t{1}, free, free, free}) {
      put_be(out, number, 8);
    }
    return out;
  }
  const std::string subject = asked.reader.text();
  if (name == "fsync@openssh.com") {
    return asked.says(handles_.contains(subject) ? StatusCode::kOk : StatusCode::kFailure);
  }
  if (!traits_.links_work) return asked.says(StatusCode::kFailure);
  return give_name(asked, subject, asked.reader.text(), true);
}

}  // namespace backstay::backend::sftp
