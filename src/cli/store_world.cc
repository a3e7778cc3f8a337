#include "cli/store_world.h"

#include <fmt/format.h>

#include "cli/console.h"
#include "cli/global_options.h"
#include "cli/key_source.h"
#include "cli/passphrase.h"

namespace backstay::cli {
namespace {

// A pause that somebody who watches will wonder about.
constexpr std::chrono::seconds kLongPause{5};

using Secret = std::optional<std::string>;

// That a file of a secret is missing must not look as if the repository were.
Result<Secret> given(const std::string& variable, Result<std::string> secret) {
  if (secret) return Secret(*std::move(secret));
  return fail(ErrorCode::kPermissionDenied, variable + ": " + secret.error().describe());
}

Result<Secret> secret_of(const Context& context, std::string_view name) {
  const std::string variable(name);
  if (auto text = context.environment.get(variable)) return text;
  const std::stop_token stop = context.stop.get_token();
  if (const auto file = context.environment.get(variable + "_FILE")) {
    return given(variable + "_FILE", read_secret_file(*file, stop));
  }
  if (const auto command = context.environment.get(variable + "_COMMAND")) {
    const Patience patience{.stop = stop, .limit = context.options.key_timeout};
    return given(variable + "_COMMAND", read_secret_command(*command, patience));
  }
  return Secret();
}

void note_retry(const Context& context, const Error& error, std::chrono::nanoseconds pause) {
  const std::chrono::duration<double> seconds = pause;
  const std::string message =
      fmt::format("{}; trying again in {:.1f} s", error.describe(), seconds.count());
  if (pause < kLongPause) {
    context.console.detail(message);
  } else {
    context.console.note(message);
  }
}

// How many transfers were found to be good, for who wants to know more.
void tell_transfers(const Context& context, const backend::Backend& store,
                    const backend::TunedBackend::Summary& summary) {
  const auto tell = [&](std::string_view what, const backend::TransferTuner::Summary& lane) {
    if (lane.transfers == 0) return;
    std::string line = fmt::format(
        "{}: {} {} at once ({} in all, at most {} at once, {} of {} steps kept", store.describe(),
        lane.allowed, what, lane.transfers, lane.most_under_way, lane.steps_kept, lane.steps_tried);
    if (lane.set_back > 0) line += fmt::format(", set back {} times", lane.set_back);
    context.console.detail(line + ")");
  };
  tell("uploads", summary.up);
  tell("reads", summary.down);
}

}  // namespace

backend::StoreWorld store_world(const Context& context) {
  return {
      .clock = context.clock,
      .rng = context.rng,
      .stop = context.stop.get_token(),
      .variable = [&context](std::string_view name) { return context.environment.get(name); },
      .secret = [&context](std::string_view name) { return secret_of(context, name); },
      .note_retry = [&context](
                        const Error& error,
                        std::chrono::nanoseconds pause) { note_retry(context, error, pause); },
      .tell_transfers =
          [&context](const backend::Backend& store, const backend::TunedBackend::Summary& summary) {
            tell_transfers(context, store, summary);
          },
      .note = [&context](const std::string& line) { context.console.note(line); }};
}

}  // namespace backstay::cli
