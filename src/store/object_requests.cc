#include "store/object_requests.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "backend/served/protocol.h"
#include "base/try.h"
#include "crypto/hash.h"
#include "store/listing.h"
#include "store/receive.h"

namespace backstay::store {
namespace {

namespace served = backend::served;

constexpr std::size_t kPageMax = 10'000;

class Blake3Examiner final : public Examiner {
 public:
  explicit Blake3Examiner(const crypto::Digest& expected) : expected_(expected) {}
  void restart() override { hash_.restart(); }
  void update(ByteView piece) override { hash_.update(piece); }
  bool approves() override { return hash_.finish() == expected_; }

 private:
  const crypto::Digest expected_;
  crypto::Blake3Stream hash_;
};

Result<std::uint64_t> number_of(std::optional<std::string_view> text, std::uint64_t otherwise) {
  if (!text) return otherwise;
  std::uint64_t number = 0;
  const char* const last = text->data() + text->size();
  const auto [end, error] = std::from_chars(text->data(), last, number);
  if (error == std::errc{} && end == last && !text->empty()) return number;
  return fail(ErrorCode::kInvalidArgument, fmt::format("'{}' is no number", *text));
}

// Uploads of others have other names, whatever they are called.
Result<std::string> upload_of(const Asked& asked, std::string_view id) {
  const bool good = id.size() == 32 && id.find_first_not_of("0123456789abcdef") == id.npos;
  if (!good) return fail(ErrorCode::kInvalidArgument, "an upload is named by 32 digits of 0-9a-f");
  return fmt::format("{}-{}", crypto::blake3(as_bytes(asked.who.name)).short_hex(), id);
}

Result<crypto::Digest> digest_of(const Asked& asked, std::string_view name) {
  const auto said = asked.head().header(served::kDigestHeader);
  if (!said) {
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format("the header {} with BLAKE3 of the object is missing", served::kDigestHeader));
  }
  const auto named = served::digest_in(name);
  if (named && *named != *said) {
    return fail(ErrorCode::kCorruption,
                fmt::format("{} is named by other bytes than those that would come", name));
  }
  return crypto::Digest::from_hex(*said);
}

Result<void> put_object(const Asked& asked, std::string_view name) {
  TRY(require_create(asked));
  TRY(backend::validate_name(name));
  const http::RequestHead& head = asked.head();
  const std::uint64_t length = TRY(body_length(head));
  Arrival arrival{.name = std::string(name), .size = length};
  if (const auto id = head.header(served::kUploadHeader)) {
    arrival.upload = TRY(upload_of(asked, *id));
    arrival.offset = TRY(number_of(head.header(served::kOffsetHeader), 0));
    arrival.size = TRY(number_of(head.header(served::kSizeHeader), length));
    if (arrival.offset > arrival.size || arrival.size - arrival.offset != length) {
      return fail(ErrorCode::kInvalidArgument, "the body is not what is missing of the object");
    }
  }
  Blake3Examiner examiner(TRY(digest_of(asked, name)));
  TRY(receive_object(asked.exchange, asked.repository, arrival, examiner));
  return say(asked.exchange, 201);
}

Result<void> get_object(const Asked& asked, std::string_view name) {
  TRY(require_read(asked));
  TRY(backend::validate_name(name));
  const backend::ObjectInfo info = TRY(asked.repository.backend().head(name));
  const http::Header modified{.name = std::string(served::kModifiedHeader),
                              .value = served::write_time(info.modified)};
  return give_object(asked, name, {&modified, 1});
}

Result<void> remove_object(const Asked& asked, std::string_view name) {
  TRY(backend::validate_name(name));
  TRY(require_remove(asked, name));
  if (asked.repository.rules().append_only && !backend::may_go_from_append_only(name)) {
    return backend::refuse_append_only(asked.repository.name(), name);
  }
  TRY(asked.repository.remove(name));
  return say(asked.exchange, 204);
}

Result<void> answer_object(const Asked& asked, std::string_view name) {
  const std::string& method = asked.head().method;
  if (method == "PUT") return put_object(asked, name);
  if (method == "GET" || method == "HEAD") return get_object(asked, name);
  if (method == "DELETE") return remove_object(asked, name);
  return fail(ErrorCode::kUnsupported, method + " is nothing that objects know");
}

// Until when an object stays. Only who may read what a snapshot needs can lock that.
Result<void> answer_retention(const Asked& asked, std::string_view name) {
  backend::LocalBackend& store = asked.repository.backend();
  TRY(backend::validate_name(name));
  if (asked.head().method == "PUT") {
    TRY(require_create(asked));
    const Timestamp until = TRY(served::read_time(asked.head().parameter("until").value_or("")));
    TRY(store.retain(name, until));
    TRY(asked.repository.barrier());
    return say(asked.exchange, 204);
  }
  TRY(require_read(asked));
  const auto until = TRY(store.retention(name));
  std::vector<http::Header> headers;
  if (until) {
    headers.push_back({std::string(served::kRetainedHeader), served::write_time(*until)});
  }
  return say(asked.exchange, 200, {}, headers);
}

Result<void> answer_upload(const Asked& asked, std::string_view id) {
  TRY(require_create(asked));
  const std::uint64_t received = TRY(received_of(asked.repository, TRY(upload_of(asked, id))));
  const http::Header offset{.name = std::string(served::kOffsetHeader),
                            .value = std::to_string(received)};
  return say(asked.exchange, 200, {}, {&offset, 1});
}

Result<void> answer_list(const Asked& asked) {
  // Names say little; whoever creates must see what is there.
  const std::string_view prefix = asked.head().parameter("prefix").value_or("");
  const std::string_view after = asked.head().parameter("after").value_or("");
  const std::uint64_t limit = TRY(number_of(asked.head().parameter("limit"), kPageMax));
  TRY(backend::validate_prefix(prefix));
  if (!after.empty()) TRY(backend::validate_name(after));
  const Listing page =
      TRY(list_in_order(asked.repository, prefix, after,
                        static_cast<std::size_t>(std::clamp<std::uint64_t>(limit, 1, kPageMax))));
  std::string text;
  for (const backend::ObjectInfo& info : page.objects) text += served::write_listed(info);
  if (page.last) text += fmt::format("{}\n", served::kListEnd);
  return say(asked.exchange, 200, text);
}

Result<void> answer_time(const Asked& asked) {
  const http::Header time{
      .name = std::string(served::kTimeHeader),
      .value = served::write_time(TRY(asked.repository.backend().store_time()))};
  return say(asked.exchange, 200, {}, {&time, 1});
}

Result<void> adopt(const Asked& asked) {
  TRY(require_change(asked));
  backend::LocalBackend& store = asked.repository.backend();
  if (const auto name = asked.head().parameter("name")) TRY(store.adopt(*name));
  if (const auto prefix = asked.head().parameter("prefix")) TRY(store.adopt_names(*prefix));
  TRY(asked.repository.barrier());
  return say(asked.exchange, 204);
}

Result<void> barrier(const Asked& asked) {
  TRY(require_change(asked));
  TRY(asked.repository.barrier());
  return say(asked.exchange, 204);
}

Result<void> state(const Asked& asked) {
  served::StoreState state{.can = asked.repository.capabilities()};
  if (asked.repository.rules().quota_bytes > 0) {
    state.quota_bytes = asked.repository.rules().quota_bytes;
    state.used_bytes = TRY(asked.repository.used());
  }
  return say(asked.exchange, asked.head().method == "POST" ? 201 : 200, served::write_state(state));
}

struct Question {
  std::string_view method;
  std::string_view below;
  Result<void> (*answer)(const Asked& asked);
};
constexpr std::array kQuestions{
    Question{"GET", "", state},           Question{"POST", "", state},
    Question{"GET", "list", answer_list}, Question{"GET", "time", answer_time},
    Question{"POST", "adopt", adopt},     Question{"POST", "barrier", barrier},
};

// With what follows it.
struct Place {
  std::string_view below;
  Result<void> (*answer)(const Asked& asked, std::string_view name);
};
constexpr std::array kPlaces{Place{"objects/", answer_object},
                             Place{"retention/", answer_retention},
                             Place{"uploads/", answer_upload}};

}  // namespace

Result<void> answer_request(const Asked& asked, std::string_view below) {
  for (const Place& place : kPlaces) {
    if (below.starts_with(place.below)) {
      return place.answer(asked, below.substr(place.below.size()));
    }
  }
  const std::string& method = asked.head().method;
  for (const Question& question : kQuestions) {
    if (question.below == below && question.method == method) return question.answer(asked);
  }
  return fail(ErrorCode::kUnsupported,
              fmt::format("this server knows nothing about {} {}", method, below));
}

}  // namespace backstay::store
