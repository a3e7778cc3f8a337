// Where objects live: named runs of bytes that are written once and never changed.
//
// Names are made of [a-z0-9-] components joined by '/', at most 200 characters, never starting with
// '/' or '.'. The engine's objects are listed in docs/format.md section 3. All methods are
// thread-safe and block; none retries (a wrapper does that). Failures: not_found, already_exists,
// unavailable (may be retried), permission_denied (also: kept by retention, or append-only),
// no_space, invalid_argument (a bad name), unsupported.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/streamed_bytes.h"

namespace backstay::backend {

struct ObjectInfo {
  std::string name;
  std::uint64_t size_bytes = 0;
  Timestamp modified;  // by the store's clock
};

// Whether a store keeps all that it has.
enum class AppendOnly : std::uint8_t { kOff, kOn };

// Whether an object stays whatever the time, until somebody turns that off.
enum class LegalHold : std::uint8_t { kOff, kOn };

// What keeps objects in a store that has object lock or is append-only.
struct Keeping {
  std::uint64_t objects = 0;   // all but those that an append-only store lets go
  std::uint64_t by_store = 0;  // of them, those that no program of a client can remove
};

// Whether a store does something, where it may also be that nobody can tell.
enum class Answer : std::uint8_t { kUnknown, kNo, kYes };

// What fits into a store, as far as it can say.
struct Space {
  std::optional<std::uint64_t> total_bytes = {};  // with what others keep there
  std::optional<std::uint64_t> free_bytes = {};   // that this client may still fill
};

// What a store can promise, as data. Later backends add to it what they are probed for.
struct Capabilities {
  bool conditional_create = false;  // of two creates of one name exactly one succeeds
  // A list or head that begins after a creation or removal was answered sees it, whoever asks.
  // Where not, nothing may be removed by what lists say (docs/format.md section 8.7).
  bool lists_at_once = false;
  bool server_time = false;            // ObjectInfo::modified and store_time() come from one clock
  bool over_network = false;           // a request takes milliseconds, and several at once gain
  std::size_t transfers_max = 0;       // that can be under way at once; 0: no limit of its own
  std::uint64_t object_bytes_max = 0;  // 0: no limit known
  bool object_lock = false;            // retain() is kept to
  bool lock_by_store = false;          // and not only by programs that heed it
  bool legal_hold = false;             // set_legal_hold() is kept to, by the store
  bool append_only = false;            // nothing goes but what may_go_from_append_only() lets go
};

class Backend {
 public:
  virtual ~Backend() = default;

  // Creates `name` with the pieces one after another. already_exists when the name is taken, and
  // then the object there is untouched. After a failure nothing is visible under `name`.
  virtual Result<void> put(std::string_view name, std::span<const ByteView> pieces) = 0;
  Result<void> put(std::string_view name, ByteView bytes) { return put(name, {&bytes, 1}); }
  // The same for what is too large to be held in memory; it may be asked for more than once. A
  // backend that does not know better gathers it and puts that.
  virtual Result<void> put_streamed(std::string_view name, const StreamedBytes& bytes);

  // Much is going to be put or read from several threads: where connections take long to make, they
  // may be made now. Does not wait, and never fails.
  virtual void expect_transfers() {}

  // Everything put before is durable, with its name, when this returns. The commit of a snapshot
  // and every step of docs/format.md section 8 calls it.
  virtual Result<void> barrier() = 0;

  // What another process put, perhaps a moment before it died, is durable with its name after the
  // next barrier(). Stores where whatever is seen is durable have nothing to do.
  virtual Result<void> adopt(std::string_view name);
  // Which objects are directly in the folder `prefix` and which are not any more, whoever put or
  // removed them, is durable after the next barrier(), as it was listed before this call or later.
  virtual Result<void> adopt_names(std::string_view prefix);

  // The whole object; invalid_argument when it is larger than `size_max`.
  virtual Result<Bytes> get(std::string_view name, std::uint64_t size_max) = 0;
  // Exactly out.size() bytes from `offset`; corruption when the object ends before that. Of both:
  // corruption when the medium cannot give back this object although the store answers.
  virtual Result<void> get_range(std::string_view name, std::uint64_t offset,
                                 MutableByteView out) = 0;

  virtual Result<ObjectInfo> head(std::string_view name) = 0;

  // Calls `each` for every object whose name starts with `prefix` (whole components: "" or "data/"
  // or "data/3f/"), in no order. Stops with each's failure. Objects that come or go meanwhile may
  // or may not be seen. A prefix without objects is an empty list, not a failure.
  virtual Result<void> list(std::string_view prefix,
                            const std::function<Result<void>(const ObjectInfo&)>& each) = 0;

  // Removing what is not there succeeds. permission_denied, with the time in its message, for an
  // object that is retained until later than the store's clock shows, and in an append-only store.
  virtual Result<void> remove(std::string_view name) = 0;

  // The object is not removed before `until`, by the store's clock, whoever asks for it. Extends
  // and never shortens: an earlier time, or one that has passed, changes nothing and succeeds.
  // Durable after the next barrier(). not_found; unsupported without Capabilities::object_lock.
  virtual Result<void> retain(std::string_view name, Timestamp until);
  // Until when the object is retained, also when that time has passed; nothing when it never was,
  // and in a store without object lock. not_found.
  virtual Result<std::optional<Timestamp>> retention(std::string_view name);
  // Beside its retention: an object under a legal hold is not removed, and what asks for it gets
  // permission_denied, until the hold is turned off by who may do that. Doing it twice changes
  // nothing. not_found; unsupported without Capabilities::legal_hold.
  virtual Result<void> set_legal_hold(std::string_view name, LegalHold hold);
  // kOff in a store that has no such thing. not_found.
  virtual Result<LegalHold> legal_hold(std::string_view name);

  // Turns append-only mode on or off, for all that have the store open. On also brings what a
  // client could remove by other programs under the store's own protection, where this process may
  // do that; done again, it goes on with what came since. permission_denied for who does not own
  // the store; unsupported where the store has no such mode of its own.
  virtual Result<void> set_append_only(AppendOnly mode);
  // Looks at all objects.
  virtual Result<Keeping> keeping();

  // Compare-and-swap, which no object of a repository is ever changed by: probe() finds out with
  // it what a store could do, and names that are not below leases/ are refused. A mark is what the
  // store calls the object as it is now, and another one after each change. conflict when the
  // object has another mark than `mark`, or is gone; unsupported where there is no such thing.
  virtual Result<std::string> mark(std::string_view name);
  virtual Result<void> replace(std::string_view name, std::string_view mark, ByteView bytes);

  // Whether the store keeps what is removed or replaced, as versions beside it. Asks the store.
  virtual Result<Answer> versions();

  // The store's clock, for the age of leases.
  virtual Result<Timestamp> store_time() = 0;

  // Empty where the store cannot say.
  virtual Result<Space> space();

  [[nodiscard]] virtual Capabilities capabilities() const = 0;
  // For messages: "/srv/backup", never with credentials.
  [[nodiscard]] virtual std::string describe() const = 0;
};

// Objects that an append-only store lets go: leases, which protect nothing that is stored.
[[nodiscard]] bool may_go_from_append_only(std::string_view name);
// What remove() of a store `where` says of an object that stays.
[[nodiscard]] std::unexpected<Error> refuse_retained(std::string_view where, std::string_view name,
                                                     Timestamp until);
[[nodiscard]] std::unexpected<Error> refuse_legal_hold(std::string_view where,
                                                       std::string_view name);
[[nodiscard]] std::unexpected<Error> refuse_append_only(std::string_view where,
                                                        std::string_view name);

// What a command that removes ("prune") says where lists may be late.
[[nodiscard]] std::unexpected<Error> refuse_late_lists(std::string_view where,
                                                       std::string_view what);

// Fails with invalid_argument unless `name` follows the rules above.
Result<void> validate_name(std::string_view name);
// The same, and for names that replace() must not touch.
Result<void> validate_replaceable(std::string_view name);
// The same for what list() takes: "" or a name followed by '/'.
Result<void> validate_prefix(std::string_view prefix);

}  // namespace backstay::backend
