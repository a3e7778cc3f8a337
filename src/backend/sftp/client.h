// Requests to an SFTP server and its answers, over any channel of bytes. Many requests may be on
// their way at once: that is what makes it fast over a long line.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "backend/sftp/packet.h"

namespace backstay::backend::sftp {

// Bytes to and from the server. Failures are `unavailable`, and final.
class ByteChannel {
 public:
  virtual ~ByteChannel() = default;
  // All of them.
  virtual Result<void> write(ByteView bytes) = 0;
  // Fills all of `out`.
  virtual Result<void> read(MutableByteView out) = 0;
};

// What came for a request, with the bytes that it carries.
struct Answer {
  Reply reply;
  Bytes packet;
  [[nodiscard]] ByteView bytes() const { return ByteView(packet).subspan(reply.rest); }
  [[nodiscard]] bool is(StatusCode code) const {
    return reply.message == Message::kStatus && reply.status == code;
  }
};

// For one thread at a time. A failure of a method is one of the connection, which is of no use from
// then on; that the server refused something is an answer.
class Client {
 public:
  // Agrees on version 3. unsupported when the other side is no SFTP server.
  static Result<std::unique_ptr<Client>> begin(std::unique_ptr<ByteChannel> channel);

  [[nodiscard]] bool offers(std::string_view extension) const;
  [[nodiscard]] bool is_broken() const { return broken_; }
  // Bytes in one read or write.
  [[nodiscard]] std::size_t read_max() const { return read_max_; }
  [[nodiscard]] std::size_t write_max() const { return write_max_; }

  [[nodiscard]] Request request(Message message) { return {message, ++last_id_}; }
  // `following` goes right after the request. The number to wait for.
  Result<std::uint32_t> send(Request& request, ByteView following = {});
  Result<Answer> wait(std::uint32_t id);
  Result<Answer> ask(Request& request) {
    const Result<std::uint32_t> id = send(request);
    if (!id) return std::unexpected(id.error().clone());
    return wait(*id);
  }
  // Nobody will wait for that answer: it costs no round trip, and is dropped when it comes.
  void forget(std::uint32_t id);
  // Takes the answers that are still to come, but those that were forgotten.
  Result<void> settle();

  // A file that stays open between two who read it: what is read of a pack comes piece by piece.
  struct KeptFile {
    std::string path;
    std::string handle;
    std::uint64_t size = 0;
    std::uint64_t removals = 0;  // how often its store had removed something when it was opened
  };
  // Several, because a restore asks for pieces of several packs in turn, and opening one costs
  // round trips. The one that was used last is the last.
  static constexpr std::size_t kKeptFilesMax = 8;
  std::vector<KeptFile> kept;
  [[nodiscard]] bool keeps(std::string_view path) const {
    return std::ranges::find(kept, path, &KeptFile::path) != kept.end();
  }

 private:
  explicit Client(std::unique_ptr<ByteChannel> channel) : channel_(std::move(channel)) {}
  Result<void> greet();
  // Nobody waits for the answer: until it comes, which is before that to any later request on most
  // servers, reads and writes are of the size that every server takes.
  Result<void> ask_for_limits();
  Result<void> take_limits(const Answer& answer);
  Result<Bytes> read_packet();
  // Nothing where it was forgotten.
  Result<std::optional<Answer>> next_answer();
  template <typename T>
  Result<T> noted(Result<T> done) {
    if (!done) broken_ = true;
    return done;
  }

  std::unique_ptr<ByteChannel> channel_;
  Version version_;
  std::size_t read_max_ = 0;
  std::size_t write_max_ = 0;
  std::uint32_t last_id_ = 0;
  std::uint32_t limits_asked_ = 0;  // 0: never
  std::size_t unanswered_ = 0;
  std::map<std::uint32_t, Answer> early_;  // came before somebody waited for them
  std::set<std::uint32_t> forgotten_;      // of those that did not come yet
  bool broken_ = false;
};

}  // namespace backstay::backend::sftp
