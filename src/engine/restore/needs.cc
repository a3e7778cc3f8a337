#include "engine/restore/needs.h"

#include "base/bytes.h"

namespace backstay::engine::restoring {
namespace {

constexpr std::size_t kSampleMax = 4;
constexpr std::uint64_t kSampleStep = 16;

}  // namespace

void Needs::add(const repo::FrameLocation& frame) {
  // Names of packs are hashes already.
  const auto pack = load_le<std::uint64_t>(frame.pack.bytes.data());
  const std::uint64_t place = pack ^ (std::uint64_t{frame.offset} * 0x9e3779b97f4a7c15ULL);
  if (!seen_.insert(place).second) return;
  bytes_ += frame.sealed_length;
  (frame.pack_kind == repo::PackKind::kData ? data_packs_ : meta_packs_).insert(frame.pack);
  if (seen_.size() < sample_at_ || sample_.size() >= kSampleMax) return;
  sample_.push_back(frame);
  sample_at_ *= kSampleStep;
}

}  // namespace backstay::engine::restoring
