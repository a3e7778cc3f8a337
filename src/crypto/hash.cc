#include "crypto/hash.h"

#include <blake3.h>

namespace backstay::crypto {

namespace {

// A BLAKE3 state that has seen a key; it is wiped because the key can be read from it.
class KeyedState {
 public:
  explicit KeyedState(const Secret& key) { blake3_hasher_init_keyed(&state_, key.view().data()); }
  explicit KeyedState(std::string_view context) {
    blake3_hasher_init_derive_key_raw(&state_, context.data(), context.size());
  }
  ~KeyedState() { wipe({reinterpret_cast<std::uint8_t*>(&state_), sizeof state_}); }
  KeyedState(const KeyedState&) = delete;
  KeyedState& operator=(const KeyedState&) = delete;

  void run(ByteView input, MutableByteView out) {
    blake3_hasher_update(&state_, input.data(), input.size());
    blake3_hasher_finalize(&state_, out.data(), out.size());
  }

 private:
  blake3_hasher state_;
};

}  // namespace

Digest blake3(ByteView input) {
  blake3_hasher state;
  blake3_hasher_init(&state);
  blake3_hasher_update(&state, input.data(), input.size());
  Digest digest;
  blake3_hasher_finalize(&state, digest.bytes.data(), digest.bytes.size());
  return digest;
}

Digest blake3_keyed(const Secret& key, ByteView input) {
  Digest digest;
  KeyedState(key).run(input, digest.bytes);
  return digest;
}

Secret derive_key(std::string_view context, ByteView material) {
  Secret derived;
  KeyedState(context).run(material, derived.mutable_view());
  return derived;
}

void blake3_keyed_xof(const Secret& key, ByteView input, MutableByteView out) {
  KeyedState(key).run(input, out);
}

struct Blake3Stream::State {
  blake3_hasher hasher;
};

Blake3Stream::Blake3Stream() : state_(std::make_unique<State>()) {
  blake3_hasher_init(&state_->hasher);
}

Blake3Stream::Blake3Stream(const Secret& key) : state_(std::make_unique<State>()) {
  blake3_hasher_init_keyed(&state_->hasher, key.view().data());
}

Blake3Stream::~Blake3Stream() = default;

void Blake3Stream::update(ByteView input) {
  blake3_hasher_update(&state_->hasher, input.data(), input.size());
}

void Blake3Stream::restart() {
  blake3_hasher_reset(&state_->hasher);
}

Digest Blake3Stream::finish() const {
  Digest digest;
  blake3_hasher_finalize(&state_->hasher, digest.bytes.data(), digest.bytes.size());
  return digest;
}

}  // namespace backstay::crypto
