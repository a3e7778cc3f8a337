#include "store/restic_requests.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/hex.h"
#include "base/try.h"
#include "crypto/sha256.h"
#include "http/url.h"
#include "json/json.h"
#include "store/receive.h"

namespace backstay::store {
namespace {

constexpr std::array<std::string_view, 5> kTypes{"data", "keys", "locks", "snapshots", "index"};
constexpr std::string_view kVersion2 = "application/vnd.x.restic.rest.v2";

// What is named by SHA-256 of its bytes; the config is not.
class Sha256Examiner final : public Examiner {
 public:
  explicit Sha256Examiner(std::string name) : name_(std::move(name)) {}
  void restart() override { hash_.emplace(); }
  void update(ByteView piece) override { hash_->update(piece); }
  bool approves() override { return name_ == "config" || to_hex(hash_->finish()) == name_; }

 private:
  const std::string name_;
  std::optional<crypto::Sha256Stream> hash_{std::in_place};
};

bool is_name_of_object(std::string_view name) {
  return name.size() == 64 && name.find_first_not_of("0123456789abcdef") == name.npos;
}

Result<void> post(const Asked& asked, const ResticPath& path) {
  TRY(require_create(asked));
  const std::uint64_t size = TRY(body_length(asked.head()));
  const std::string last = path.object.substr(path.object.rfind('/') + 1);
  Sha256Examiner examiner(last);
  const Arrival arrival{.name = path.object, .size = size};
  const Result<void> stored = receive_object(asked.exchange, asked.repository, arrival, examiner);
  if (stored) return say(asked.exchange, 200);
  // As restic's own server has it: a second one of that name is forbidden.
  if (stored.error().code() == ErrorCode::kAlreadyExists) {
    return fail(ErrorCode::kPermissionDenied, stored.error().describe());
  }
  return std::unexpected(stored.error().clone());
}

Result<void> remove_one(const Asked& asked, const ResticPath& path) {
  const bool is_lock = path.type == "locks";
  const bool may = asked.who.rights.remove || (is_lock && asked.who.rights.create);
  if (!may) {
    return fail(ErrorCode::kPermissionDenied,
                fmt::format("the token {} has no right to delete {}", asked.who.name, path.object));
  }
  if (asked.repository.rules().append_only && !is_lock) {
    return backend::refuse_append_only(asked.repository.name(), path.object);
  }
  TRY(asked.repository.backend().head(path.object));
  TRY(asked.repository.remove(path.object));
  TRY(asked.repository.barrier());
  return say(asked.exchange, 200);
}

Result<void> list_type(const Asked& asked, const ResticPath& path) {
  TRY(require_read(asked));
  const bool with_sizes = std::ranges::any_of(asked.head().headers, [](const http::Header& header) {
    return header.name == "accept" && header.value.contains(kVersion2);
  });
  json::Json list = json::Json::array();
  TRY(asked.repository.backend().list(
      path.type + "/", [&](const backend::ObjectInfo& info) -> Result<void> {
        const std::string last = info.name.substr(info.name.rfind('/') + 1);
        if (!is_name_of_object(last)) return {};
        if (!with_sizes) {
          list.push_back(last);
          return {};
        }
        json::Json one = json::Json::object();
        one["name"] = last;
        one["size"] = info.size_bytes;
        list.push_back(std::move(one));
        return {};
      }));
  const http::Header type{
      .name = "Content-Type",
      .value = std::string(with_sizes ? kVersion2 : "application/vnd.x.restic.rest.v1")};
  return say(asked.exchange, 200, json::to_line(list), {&type, 1});
}

}  // namespace

Result<ResticPath> parse_restic_path(std::string_view path) {
  std::vector<std::string> parts;
  while (!path.empty()) {
    const std::string_view one = path.substr(0, path.find('/'));
    path.remove_prefix(std::min(path.size(), one.size() + 1));
    if (!one.empty()) parts.push_back(TRY(http::percent_decoded(one)));
  }
  ResticPath found;
  const auto is_type = [](const std::string& part) {
    return std::ranges::find(kTypes, part) != kTypes.end();
  };
  if (!parts.empty() && parts.back() == "config") {
    found.type = found.object = "config";
    parts.pop_back();
  } else if (!parts.empty() && is_type(parts.back())) {
    found.type = parts.back();
    parts.pop_back();
  } else if (parts.size() >= 2 && is_type(parts[parts.size() - 2])) {
    const std::string& name = parts.back();
    found.type = parts[parts.size() - 2];
    if (!is_name_of_object(name)) {
      return fail(ErrorCode::kInvalidArgument, "an object of restic is named by 64 digits");
    }
    found.object = found.type == "data" ? fmt::format("data/{}/{}", name.substr(0, 2), name)
                                        : fmt::format("{}/{}", found.type, name);
    parts.resize(parts.size() - 2);
  }
  for (const std::string& part : parts) {
    found.repository += (found.repository.empty() ? "" : "/") + part;
  }
  return found;
}

Result<void> answer_restic_request(const Asked& asked, const ResticPath& path) {
  const std::string& method = asked.head().method;
  const bool reads = method == "GET" || method == "HEAD";
  if (path.type.empty() && method == "POST") return say(asked.exchange, 200);
  if (!path.type.empty() && path.object.empty() && reads) return list_type(asked, path);
  if (!path.object.empty() && reads) {
    TRY(require_read(asked));
    return give_object(asked, path.object, {});
  }
  if (!path.object.empty() && method == "POST") return post(asked, path);
  if (!path.object.empty() && method == "DELETE") return remove_one(asked, path);
  return fail(ErrorCode::kUnsupported, method + " is nothing that restic asks for here");
}

}  // namespace backstay::store
