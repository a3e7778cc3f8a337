// The object of an index run: its body in sealed segments (docs/format.md section 5.5). A run of
// ten million chunks takes 400 MB, so that it is written and opened a segment at a time and is
// never in memory as a whole.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/rng.h"
#include "base/streamed_bytes.h"
#include "io/spilled_bytes.h"
#include "repo/config.h"
#include "repo/index_run.h"
#include "repo/key_slot.h"

namespace backstay::repo {

inline constexpr std::size_t kIndexSegmentSize = 1024 * 1024;

class IndexRunWriter {
 public:
  struct Head {
    std::uint64_t entries = 0;
    std::uint64_t generation = 1;
    std::vector<ObjectId> supersedes;  // then the run is signed: only with a full keyring
    std::vector<PackEntries> packs;    // ids, kinds and sizes; `chunks` is not looked at
  };
  // A large object grows in a file in `folder`; with an empty name, in memory.
  static Result<std::unique_ptr<IndexRunWriter>> create(const Keyring& keyring,
                                                        const Config& config, Rng& rng,
                                                        const Head& head,
                                                        const std::string& folder = {});
  ~IndexRunWriter();
  // Entries in ascending order of (id, pack, frame offset, offset in frame).
  Result<void> add(const IndexRun::Entry& entry);
  struct Finished {
    ObjectId id;
    io::SpilledBytes object;
  };
  Result<Finished> finish();

 private:
  struct State;
  explicit IndexRunWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Opens a stored run segment by segment, each authenticated.
class IndexObjectReader {
 public:
  // Fills `out` with what stands at `offset` of the object. Asked for in order, and perhaps all
  // over again from the first segment.
  using ReadAt = std::function<Result<void>(std::uint64_t offset, MutableByteView out)>;
  static Result<std::unique_ptr<IndexObjectReader>> open(ReadAt read_at, std::uint64_t size,
                                                         const Keyring& keyring,
                                                         const RepositoryId& repository);
  ~IndexObjectReader();
  // The body of the run. Borrows this.
  [[nodiscard]] StreamedBytes body();
  // Of whoever may let it supersede others.
  [[nodiscard]] RunSigner signer() const;

 private:
  struct State;
  explicit IndexObjectReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// The body of a small run that is in memory.
Result<Bytes> open_index_object(ByteView stored, const Keyring& keyring,
                                const RepositoryId& repository);
// The same run, open.
Result<std::shared_ptr<const IndexRun>> open_index_run(ByteView stored, const Keyring& keyring,
                                                       const RepositoryId& repository);

}  // namespace backstay::repo
