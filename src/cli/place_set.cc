#include "cli/place_set.h"

#include <fmt/format.h>

#include <utility>

#include "backend/open.h"
#include "backend/placement.h"
#include "base/try.h"
#include "cli/console.h"
#include "io/file.h"
#include "io/machine.h"
#include "json/json.h"
#include "snapshot/tree_key.h"

namespace backstay::cli {
namespace {

constexpr std::string_view kScheme = "set:";

using policy::Place;
using policy::PlaceSet;
using policy::SecretReference;
using Kind = SecretReference::Kind;

// The variables of secrets are those of the other places, unless the place says which one is its.
class PlaceEnvironment final : public Environment {
 public:
  PlaceEnvironment(const Environment& given, const Place& place) : given_(given), place_(place) {}
  [[nodiscard]] std::optional<std::string> get(std::string_view name) const override {
    if (!place_.has_own_secret()) return given_.get(name);
    if (name == "BACKSTAY_PASSWORD" && place_.passphrase.kind == Kind::kVariable)
      return given_.get(place_.passphrase.value);
    for (const std::string_view secret :
         {"BACKSTAY_PASSWORD", "BACKSTAY_RECOVERY_KEY", "BACKSTAY_KEY"}) {
      if (name.starts_with(secret)) return std::nullopt;
    }
    return given_.get(name);
  }

 private:
  const Environment& given_;
  const Place& place_;
};

GlobalOptions options_of(const GlobalOptions& given, const Place& place) {
  GlobalOptions options = given;
  options.repository = place.url;
  options.places.reset();
  if (!place.has_own_secret()) return options;
  const auto value = [](const SecretReference& secret, Kind kind) {
    return secret.kind == kind ? secret.value : std::string();
  };
  options.password_file = value(place.passphrase, Kind::kFile);
  options.password_command = value(place.passphrase, Kind::kCommand);
  options.recovery_key_file = value(place.recovery_key, Kind::kFile);
  options.key_file = value(place.key, Kind::kFile);
  options.key_command = value(place.key, Kind::kCommand);
  return options;
}

void make_absolute(Place& place, const std::string& folder) {
  if (backend::scheme_of(place.url).empty()) place.url = snapshot::clean_path(place.url, folder);
  for (SecretReference* secret : {&place.passphrase, &place.recovery_key, &place.key}) {
    if (secret->kind == Kind::kFile) secret->value = snapshot::clean_path(secret->value, folder);
  }
}

Result<PlaceSet> read_set(const std::string& file) {
  const Bytes text =
      TRY_DOING("reading the set of repositories", io::read_file(file, policy::kPlaceFileBytesMax));
  PlaceSet set = TRY(policy::parse_place_file(as_text(text), file));
  const std::string path = snapshot::clean_path(file, TRY(io::current_directory()));
  const std::string folder = path.substr(0, std::max<std::size_t>(path.rfind('/'), 1));
  make_absolute(set.primary, folder);
  for (Place& copy : set.copies) make_absolute(copy, folder);
  return set;
}

// What was tried, and what is tried now.
struct Change {
  const Place& from;
  const Place& to;
};

void tell_of_other_place(const Context& context, const Change& change, const Error& error,
                         ResultsAre results) {
  const auto& [from, to] = change;
  context.console.warning(
      fmt::format("{} cannot give it: {}; going on with {}", from.name, error.describe(), to.name),
      is_away(error) ? "" : error.hint());
  if (!context.console.json() || results == ResultsAre::kBytes) return;
  json::Json line = json::line_of("place");
  line["place"] = to.name;
  line["instead_of"] = from.name;
  line["message"] = error.describe();
  context.console.print_json_now(line);
}

}  // namespace

const InSet* whole_set(const Context& context) {
  const bool whole = context.in_set != nullptr && context.in_set->meant == InSet::Meant::kWholeSet;
  return whole ? context.in_set : nullptr;
}

bool names_set(std::string_view url) {
  return url.starts_with(kScheme);
}

bool means_set(const GlobalOptions& options) {
  return options.places != nullptr || names_set(options.repository);
}

Result<ChosenSet> read_place_set(std::string_view url) {
  url.remove_prefix(kScheme.size());
  const std::size_t mark = url.rfind('#');
  ChosenSet chosen{.set = TRY(read_set(std::string(url.substr(0, mark)))), .place = {}};
  if (mark == std::string_view::npos) return chosen;
  chosen.place = url.substr(mark + 1);
  if (chosen.set.find(*chosen.place) != nullptr) return chosen;
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("{} has no place '{}'", url.substr(0, mark), *chosen.place));
}

PlaceContext::PlaceContext(const InSet& in_set)
    : in_set_(in_set),
      options_(options_of(in_set.given.options, in_set.place)),
      environment_(std::make_unique<PlaceEnvironment>(in_set.given.environment, in_set.place)) {
  context_.emplace(Context{.program = in_set.given.program,
                           .options = options_,
                           .environment = *environment_,
                           .console = in_set.given.console,
                           .clock = in_set.given.clock,
                           .rng = in_set.given.rng,
                           .stop = in_set.given.stop,
                           .in_set = &in_set_,
                           .stop_signal = in_set.given.stop_signal});
}

PlaceContext::PlaceContext(const InSet& in_set, const Place& place)
    : PlaceContext({.set = in_set.set,
                    .place = place,
                    .given = in_set.given,
                    .meant = InSet::Meant::kThisPlace}) {}

PlaceContext::~PlaceContext() = default;

Result<void> check_place_secret(const InSet& in_set) {
  const SecretReference& secret = in_set.place.passphrase;
  if (secret.kind != Kind::kVariable || in_set.given.environment.get(secret.value)) return {};
  return std::unexpected(
      Error(ErrorCode::kWrongKey, fmt::format("the variable {}, which is to have the passphrase "
                                              "of {}, is not set",
                                              secret.value, in_set.place.name))
          .with_hint("Set it, or say another place for the passphrase in the file of the set."));
}

Result<ExitCode> run_in_set(Context& context, const RunCommand& run) {
  const Result<ChosenSet> chosen =
      context.options.places != nullptr
          ? Result<ChosenSet>(ChosenSet{.set = *context.options.places, .place = {}})
          : read_place_set(context.options.repository);
  if (!chosen) return run(context);
  const bool whole = !chosen->place.has_value();
  PlaceContext place({.set = chosen->set,
                      .place = whole ? chosen->set.primary : *chosen->set.find(*chosen->place),
                      .given = context,
                      .meant = whole ? InSet::Meant::kWholeSet : InSet::Meant::kThisPlace});
  return run(place.context());
}

bool is_away(const Error& error) {
  return error.code() == ErrorCode::kNoRepository || error.code() == ErrorCode::kUnavailable;
}

bool another_may_help(const Error& error) {
  switch (error.code()) {
    case ErrorCode::kNotFound:
    case ErrorCode::kNoRepository:
    case ErrorCode::kCorruption:
    case ErrorCode::kUnavailable:
    case ErrorCode::kPermissionDenied:
      return true;
    default:
      return false;
  }
}

Result<ExitCode> read_from_places(Context& context, const RunCommand& run, ResultsAre results) {
  const std::uint64_t printed = context.console.printed();
  Result<ExitCode> first = run(context);
  const InSet* const in_set = whole_set(context);
  if (first || in_set == nullptr) return first;
  const Place* tried = &in_set->place;
  Error failure = first.error().clone();
  for (const Place& copy : in_set->set.copies) {
    // What came out already must not come twice.
    if (!another_may_help(failure) || context.console.printed() != printed) break;
    tell_of_other_place(context, {.from = *tried, .to = copy}, failure, results);
    PlaceContext place(*in_set, copy);
    Result<ExitCode> next = run(place.context());
    if (next) return next;
    tried = &copy;
    failure = next.error().clone();
    // What a place says that is there tells more than that another is not.
    if (is_away(first.error())) first = std::move(next);
  }
  return first;
}

std::vector<std::string> folders_of_places(const Context& context) {
  constexpr std::string_view kFile = "file://";
  std::vector<std::string> folders;
  if (context.in_set == nullptr) return folders;
  const auto add = [&](const Place& place) {
    const std::string& url = place.url;
    if (url.starts_with(kFile)) folders.push_back(url.substr(kFile.size()));
    if (!url.starts_with('/') && !url.starts_with("placement:")) return;
    for (std::string& folder : backend::placement::folders_behind(url))
      folders.push_back(std::move(folder));
  };
  add(context.in_set->set.primary);
  for (const Place& copy : context.in_set->set.copies) add(copy);
  return folders;
}

}  // namespace backstay::cli
