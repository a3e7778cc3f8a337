#include "backend/sftp/client.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/try.h"

namespace backstay::backend::sftp {
namespace {

constexpr std::uint32_t kProtocol = 3;
// What every server must take (draft, section 3), less what the request itself needs.
constexpr std::size_t kTransferDefault = 32 * 1024;
constexpr std::size_t kTransferMax = 256 * 1024;

constexpr const char* kLimits = "limits@openssh.com";

Error no_server() {
  return Error(ErrorCode::kUnsupported, "the other side does not speak SFTP")
      .with_hint(
          "The account may have no SFTP, or its shell prints something at login: "
          "'sftp USER@HOST' shows which.");
}

std::size_t usable(std::uint64_t limit) {
  if (limit == 0) return kTransferDefault;
  return static_cast<std::size_t>(std::clamp<std::uint64_t>(limit, 1024, kTransferMax));
}

}  // namespace

Result<std::unique_ptr<Client>> Client::begin(std::unique_ptr<ByteChannel> channel) {
  std::unique_ptr<Client> client(new Client(std::move(channel)));
  client->read_max_ = kTransferDefault;
  client->write_max_ = kTransferDefault;
  TRY(client->greet());
  if (client->offers(kLimits)) TRY(client->ask_for_limits());
  return client;
}

// The first request has a version where others have a number.
Result<void> Client::greet() {
  Request hello(Message::kInit, kProtocol);
  TRY(channel_->write(hello.finish()));
  const Result<Bytes> packet = read_packet();
  if (!packet) {
    // What a shell prints looks like a packet of an absurd length.
    if (packet.error().retryable()) return std::unexpected(packet.error().clone());
    return std::unexpected(no_server());
  }
  Result<Version> version = decode_version(*packet);
  if (!version || version->number < kProtocol) return std::unexpected(no_server());
  version_ = *std::move(version);
  return {};
}

Result<void> Client::ask_for_limits() {
  Request question = request(Message::kExtended);
  limits_asked_ = TRY(send(question.text(kLimits)));
  return {};
}

Result<void> Client::take_limits(const Answer& answer) {
  if (answer.reply.message != Message::kExtendedReply) return {};
  const Limits limits = TRY(decode_limits(answer.bytes()));
  read_max_ = usable(limits.read_max);
  write_max_ = usable(limits.write_max);
  return {};
}

bool Client::offers(std::string_view extension) const {
  return std::ranges::any_of(version_.extensions,
                             [&](const auto& offered) { return offered.first == extension; });
}

Result<Bytes> Client::read_packet() {
  std::array<std::uint8_t, 4> head{};
  TRY(channel_->read(head));
  std::uint32_t size = 0;
  for (const std::uint8_t byte : head) size = (size << 8U) | byte;
  if (size == 0 || size > kPacketMax) {
    return fail(ErrorCode::kUnsupported, fmt::format("the server sent a packet of {} bytes", size));
  }
  Bytes packet(size);
  TRY(channel_->read(packet));
  return packet;
}

Result<std::uint32_t> Client::send(Request& request, ByteView following) {
  const ByteView bytes = request.finish(following.size());
  TRY(noted(channel_->write(bytes)));
  if (!following.empty()) TRY(noted(channel_->write(following)));
  ++unanswered_;
  return request.id();
}

Result<Answer> Client::wait(std::uint32_t id) {
  for (;;) {
    const auto early = early_.find(id);
    if (early != early_.end()) {
      Answer answer = std::move(early->second);
      early_.erase(early);
      return answer;
    }
    std::optional<Answer> answer = TRY(next_answer());
    if (!answer) continue;
    const std::uint32_t answered = answer->reply.id;
    early_.emplace(answered, *std::move(answer));
  }
}

Result<std::optional<Answer>> Client::next_answer() {
  Result<Bytes> packet = noted(read_packet());
  if (!packet) return fail(ErrorCode::kUnavailable, packet.error().describe());
  Answer answer{.reply = TRY(noted(decode_reply(*packet))), .packet = *std::move(packet)};
  const std::uint32_t answered = answer.reply.id;
  if (unanswered_ == 0 || answered == 0 || answered > last_id_ || early_.contains(answered)) {
    broken_ = true;
    return fail(ErrorCode::kUnavailable, "the server answered what was not asked");
  }
  --unanswered_;
  if (answered == limits_asked_) {
    TRY(noted(take_limits(answer)));
    return std::optional<Answer>();
  }
  if (forgotten_.erase(answered) > 0) return std::optional<Answer>();
  return std::optional(std::move(answer));
}

void Client::forget(std::uint32_t id) {
  if (early_.erase(id) == 0) forgotten_.insert(id);
}

Result<void> Client::settle() {
  // A server that never answers some requests must not make us remember all of them.
  constexpr std::size_t kForgottenMax = 1000;
  if (forgotten_.size() > kForgottenMax) forgotten_.clear();
  while (unanswered_ > forgotten_.size()) TRY(next_answer());
  early_.clear();
  return {};
}

}  // namespace backstay::backend::sftp
