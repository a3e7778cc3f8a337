// Repositories that belong together: "-r set:FILE" means its primary and its copies,
// "-r set:FILE#NAME" one of its places alone (policy/places.h).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/command.h"
#include "cli/global_options.h"
#include "policy/places.h"
#include "repo/repository.h"

namespace backstay::cli {

// What a command knows that works on a place of a set.
struct InSet {
  enum class Meant : std::uint8_t { kWholeSet, kThisPlace };
  const policy::PlaceSet& set;
  const policy::Place& place;
  const Context& given;  // as the program was started: the options and variables of the user
  Meant meant = Meant::kWholeSet;
};

// The set that a command is to look after as a whole, from its primary; null where a single
// repository is meant.
[[nodiscard]] const InSet* whole_set(const Context& context);

[[nodiscard]] bool names_set(std::string_view url);
// Whether --repo does, or the profile says one.
[[nodiscard]] bool means_set(const GlobalOptions& options);
// Paths in it count from the folder of the file, and are absolute here. invalid_argument where
// #NAME is no place of it.
struct ChosenSet {
  policy::PlaceSet set;
  std::optional<std::string> place;
};
Result<ChosenSet> read_place_set(std::string_view url);

// The world as a place has it: its URL, and its secrets where it has some of its own. Outlives
// everything that is opened in it.
class PlaceContext {
 public:
  explicit PlaceContext(const InSet& in_set);
  // Of one place of the same set, alone.
  PlaceContext(const InSet& in_set, const policy::Place& place);
  ~PlaceContext();
  [[nodiscard]] Context& context() { return *context_; }

 private:
  const InSet in_set_;
  GlobalOptions options_;
  std::unique_ptr<Environment> environment_;
  std::optional<Context> context_;
};

// invalid_argument when the secret of this place cannot be had because its variable is not set.
Result<void> check_place_secret(const InSet& in_set);

using RunCommand = std::function<Result<ExitCode>(Context&)>;
// Runs a command on the place that a set's URL names, the primary for the whole set. Where the set
// cannot be read, the command says so when it asks for its repository.
Result<ExitCode> run_in_set(Context& context, const RunCommand& run);

// Runs a command that only reads. Where the primary is away or damaged and nothing came out yet,
// runs it on the copies, in their order, and says so; as a JSON line only where results are lines.
enum class ResultsAre : std::uint8_t { kLines, kBytes };
Result<ExitCode> read_from_places(Context& context, const RunCommand& run,
                                  ResultsAre results = ResultsAre::kLines);
// Whether the place is not there, or does not answer.
[[nodiscard]] bool is_away(const Error& error);
// Whether another place may do what failed with this.
[[nodiscard]] bool another_may_help(const Error& error);

// Folders of this machine that are places of the set: no backup takes them along, and no restore
// writes into them.
[[nodiscard]] std::vector<std::string> folders_of_places(const Context& context);

}  // namespace backstay::cli
