// What an SFTP server sends, whatever it is, gives answers or a failure, and no more memory than a
// packet may take.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "backend/sftp/files.h"
#include "base/assert.h"

namespace {

using namespace backstay;

// Says what the fuzzer wants, whatever it is told.
class Speech final : public backend::sftp::ByteChannel {
 public:
  explicit Speech(ByteView bytes) : left_(bytes) {}
  Result<void> write(ByteView /*bytes*/) override { return {}; }
  Result<void> read(MutableByteView out) override {
    if (left_.size() < out.size()) return fail(ErrorCode::kUnavailable, "the end");
    std::copy_n(left_.begin(), out.size(), out.begin());
    left_ = left_.subspan(out.size());
    return {};
  }

 private:
  ByteView left_;
};

bool is_usual(const Error& error) {
  switch (error.code()) {
    case ErrorCode::kUnavailable:
    case ErrorCode::kUnsupported:
    case ErrorCode::kNotFound:
    case ErrorCode::kPermissionDenied:
    case ErrorCode::kCorruption:
    case ErrorCode::kNoSpace:
      return true;
    default:
      return false;
  }
}

template <typename T>
void look(const Result<T>& result) {
  ASSERT(result || is_usual(result.error()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace backstay::backend::sftp;
  const ByteView bytes(data, size);
  look(decode_reply(bytes));
  look(decode_version(bytes));
  look(decode_limits(bytes));
  look(decode_space(bytes));
  auto begun = Client::begin(std::make_unique<Speech>(bytes));
  look(begun);
  if (!begun) return 0;
  Client& client = **begun;
  std::vector<Folder> folders{{.path = "a", .files = {}}, {.path = "b", .files = {}}};
  look(read_folders(client, folders));
  const auto file = open_to_read(client, "a");
  look(file);
  Bytes out(100'000);
  if (file) {
    const auto got = read_at(client, *file, 0, out);
    look(got);
    ASSERT(!got || *got <= out.size());
  }
  const ByteView text = as_bytes("text");
  look(write_new_file(client, "c", {.size = text.size(), .piece_at = [text](std::uint64_t) {
                                      return Result<ByteView>(text);
                                    }}));
  look(time_of_new_file(client, "d"));
  return 0;
}
