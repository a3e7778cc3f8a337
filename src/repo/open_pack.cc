#include "repo/open_pack.h"

#include <algorithm>

#include "base/assert.h"
#include "base/try.h"
#include "crypto/hash.h"

namespace backstay::repo {

Result<std::unique_ptr<OpenPack>> OpenPack::create(PackKind kind, PageBuffer buffer,
                                                   const Keyring& keyring, const Config& config,
                                                   Rng& rng) {
  std::unique_ptr<OpenPack> pack(new OpenPack);
  pack->kind_ = kind;
  pack->suite_ = config.suite;
  pack->buffer_ = std::move(buffer);
  Keyring::NewObject object = TRY(keyring.new_object(object_kind(kind), config, rng));
  ASSERT(pack->buffer_.size() >= object.prefix.size());
  std::ranges::copy(object.prefix, pack->buffer_.data());
  pack->size_ = object.prefix.size();
  pack->directory_.prefix_size = static_cast<std::uint32_t>(pack->size_);
  pack->key_ = object.key;
  return pack;
}

OpenPack::Reservation OpenPack::reserve(FrameRecord frame) {
  ASSERT(fits(frame));
  const Reservation reservation{.offset = static_cast<std::uint32_t>(size_),
                                .place = {buffer_.data() + size_, frame.sealed_length}};
  size_ += frame.sealed_length;
  chunks_ += frame.chunks.size();
  directory_.frames.push_back(std::move(frame));
  const MutexLock lock(mutex_);
  ++unwritten_;
  return reservation;
}

void OpenPack::written() {
  // Told under the lock: who waits may destroy this as soon as it is let go.
  const MutexLock lock(mutex_);
  if (--unwritten_ == 0) all_written_.notify_all();
}

void OpenPack::wait_for_writers() {
  const MutexLock lock(mutex_);
  while (unwritten_ != 0) all_written_.wait(mutex_);
}

Result<OpenPack::Finished> OpenPack::finish(Rng& rng) {
  wait_for_writers();
  directory_.padding = rng.below(size_ / 100 + 1);
  Bytes plaintext;
  encode_directory(directory_, plaintext);
  Finished finished;
  finished.tail.resize(plaintext.size() + crypto::kTagSize);
  TRY(crypto::Aead().seal(suite_, key_, Nonce(size_, Purpose::kDirectory).view(), plaintext,
                          finished.tail));
  const auto directory_length = static_cast<std::uint32_t>(finished.tail.size());
  append_le<std::uint32_t>(finished.tail, directory_length);
  append_le<std::uint32_t>(finished.tail, 0);
  append(finished.tail, as_bytes("BKSTPACK"));

  crypto::Blake3Stream name;
  name.update(frames());
  name.update(finished.tail);
  finished.id = ObjectId{name.finish().bytes};
  finished.entries = index_entries(directory_, finished.id, kind_, size_ + finished.tail.size());
  for (const FrameRecord& frame : directory_.frames) finished.raw_bytes += frame.raw_length;
  return finished;
}

}  // namespace backstay::repo
