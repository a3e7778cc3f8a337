#include "engine/prune/restorage.h"

#include <utility>

#include "base/try.h"

namespace backstay::engine::prune_stages {

namespace {

// So many frames of the usual size wait at most.
constexpr std::size_t kFramesWaiting = 4;

repo::StoreSession::Options store_options(const repo::Repository& repository, std::size_t uploads) {
  repo::StoreSession::Options options;
  options.compression = repository.config().compression;
  options.pack_bytes = repository.config().pack_bytes;
  options.uploads = uploads;
  return options;
}

}  // namespace

Restorage::Restorage(repo::Repository& repository, std::size_t uploads, std::size_t threads)
    : session_(repository, store_options(repository, uploads), repo::StoreSession::Mode::kStore),
      waiting_(kFramesWaiting * repository.config().frame_bytes) {
  for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { store_all(); });
}

Restorage::~Restorage() {
  waiting_.abort();
  threads_.clear();
}

void Restorage::store_all() {
  repo::FrameEncoder encoder;
  while (const auto item = waiting_.pop()) store(**item, encoder);
}

void Restorage::store(const Item& item, repo::FrameEncoder& encoder) {
  auto added = session_.add(item.frame, encoder);
  if (added) return;
  const MutexLock lock(mutex_);
  if (!failure_) failure_ = std::move(added).error();
  waiting_.abort();
}

Result<void> Restorage::outcome() const {
  const MutexLock lock(mutex_);
  if (failure_) return std::unexpected(failure_->clone());
  return {};
}

bool Restorage::broken() const {
  return !outcome().has_value();
}

Result<void> Restorage::add(std::unique_ptr<Item> item) {
  if (threads_.empty()) {
    store(*item, encoder_);
    return outcome();
  }
  const std::size_t bytes = item->frame.bytes.size();
  if (waiting_.push(std::move(item), bytes)) return {};
  return outcome();
}

Result<void> Restorage::finish() {
  waiting_.close();
  threads_.clear();
  TRY(outcome());
  return session_.flush();
}

}  // namespace backstay::engine::prune_stages
