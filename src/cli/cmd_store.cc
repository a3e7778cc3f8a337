#include <fmt/format.h>

#include <memory>

#include "base/byte_size.h"
#include "base/try.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/store_commands.h"
#include "http/server/server.h"
#include "json/json.h"
#include "store/service.h"

namespace backstay::cli {
namespace {

struct ServeArguments {
  std::string folder;
  std::string listen = "127.0.0.1:8480";
  std::string certificate;
  std::string key;
  std::string tokens;
  bool append_only = false;
  bool restic = false;
  bool insecure_plain = false;
  std::uint64_t quota = 0;
};

std::unexpected<Error> unsafe(std::string what, std::string hint) {
  return std::unexpected(
      Error(ErrorCode::kInvalidArgument, std::move(what)).with_hint(std::move(hint)));
}

// Nobody gets in, or listens, because something was forgotten.
Result<void> check_is_safe(const ServeArguments& arguments, const http::ListenAddress& where) {
  if (arguments.certificate.empty() != arguments.key.empty()) {
    return unsafe("--tls-cert and --tls-key belong together", "Give both, or none.");
  }
  if (where.is_loopback()) return {};
  if (arguments.certificate.empty() && !arguments.insecure_plain) {
    return unsafe(
        fmt::format("{} can be reached from other machines, and has no TLS", arguments.listen),
        "Give --tls-cert and --tls-key, or --insecure-plain where the network itself is "
        "safe, or a proxy with TLS stands before it.");
  }
  if (arguments.tokens.empty()) {
    return unsafe(fmt::format("{} can be reached from other machines, and anybody could read and "
                              "remove everything",
                              arguments.listen),
                  "Make a token with 'backstay store token add', and give --tokens.");
  }
  return {};
}

void log_request(Console& console, const http::ServedRequest& served) {
  if (console.json()) {
    json::Json line = json::line_of("request");
    json::put_text(line, "peer", served.peer);
    json::put_text(line, "user", served.user);
    json::put_text(line, "method", served.method);
    json::put_text(line, "path", served.path);
    line["status"] = served.status;
    line["bytes_received"] = served.bytes_received;
    line["bytes_sent"] = served.bytes_sent;
    line["seconds"] = json::milliseconds_of(served.seconds);
    console.print_json_now(line);
    return;
  }
  console.note(fmt::format("{} {} {} {} {} in {} out {} {:.3f} s", served.peer,
                           served.user.empty() ? "?" : served.user, served.method, served.path,
                           served.status, served.bytes_received, served.bytes_sent,
                           served.seconds));
}

void say_where(Console& console, const ServeArguments& arguments, const std::string& address,
               std::uint16_t port) {
  const std::string_view scheme = arguments.certificate.empty() ? "backstay" : "backstays";
  const std::string url = fmt::format("{}://{}/", scheme, http::authority(address, port));
  if (console.json()) {
    json::Json line = json::line_of("listening");
    line["url"] = url;
    line["port"] = port;
    console.print_json_now(line);
    return;
  }
  console.print(fmt::format("listening on {}\n", url));
  static_cast<void>(console.flush().has_value());
}

Result<ExitCode> serve(Context& context, const ServeArguments& arguments) {
  const http::ListenAddress where = TRY(http::parse_listen_address(arguments.listen));
  TRY(check_is_safe(arguments, where));
  Console& console = context.console;
  const auto service = TRY(store::Service::open(
      {.folder = arguments.folder,
       .rules = {.append_only = arguments.append_only, .quota_bytes = arguments.quota},
       .tokens_file = arguments.tokens,
       .restic =
           arguments.restic ? store::ResticRequests::kAnswered : store::ResticRequests::kRefused,
       .complain = [&](const Error& error) { console.warning(error.describe(), ""); }}));
  const auto server = TRY(http::Server::listen(
      {.address = where.address,
       .port = where.port,
       .certificate_file = arguments.certificate,
       .key_file = arguments.key,
       .answer = [&](http::Exchange& exchange) { service->answer(exchange); },
       .log = [&](const http::ServedRequest& served) { log_request(console, served); },
       .complain = [&](const Error& error) { console.warning(error.describe(), error.hint()); }}));
  if (arguments.tokens.empty()) {
    console.warning(
        "there are no tokens: every user of this machine can read and remove what is "
        "served",
        "Make one with 'backstay store token add', and give --tokens.");
  }
  say_where(console, arguments, where.address, server->port());
  server->run(context.stop.get_token());
  console.note("stopped");
  return ExitCode::kDone;
}

Command serve_command() {
  const auto to = std::make_shared<ServeArguments>();
  return {
      .name = "serve",
      .summary = "Serve the repositories below a folder to other machines",
      .description =
          "Each folder below DIR can be a repository, backstays://HOST:PORT/NAME to clients. What "
          "is stored is whole, named by what it is, and on the disk before the client is told so. "
          "Who may do what is in the file of tokens ('backstay store token add'). With --restic "
          "the same folder also takes repositories of restic, as rest:https://HOST:PORT/NAME.\n\n"
          "It runs until it gets SIGTERM or SIGINT, and then ends what is under way. "
          "docs/backends/store-server.md has a unit for systemd.",
      .examples = {{"backstay store serve /srv/backup --tokens /etc/backstay/tokens --listen "
                    "0.0.0.0:8480 --tls-cert cert.pem --tls-key key.pem",
                    "To other machines, with TLS and tokens"}},
      .arguments = {{.name = "DIR",
                     .help = "the folder of all repositories",
                     .set = [to](std::string_view text) -> Result<void> {
                       to->folder = text;
                       return {};
                     }}},
      .options = {text("--listen", "ADDRESS:PORT", to->listen,
                       "where to listen (127.0.0.1:8480); port 0: one that is free, printed"),
                  text("--tls-cert", "FILE", to->certificate,
                       "the certificate and those above it, PEM"),
                  text("--tls-key", "FILE", to->key, "its key, PEM"),
                  text("--tokens", "FILE", to->tokens, "who may do what"),
                  flag("--append-only", to->append_only,
                       "remove nothing but leases, and locks of restic"),
                  size("--quota", to->quota, "the most bytes in objects of each repository"),
                  flag("--restic", to->restic, "answer restic as well"),
                  flag("--insecure-plain", to->insecure_plain,
                       "listen without TLS where other machines can reach it")},
      .run = [to](Context& context) { return serve(context, *to); }};
}

}  // namespace

Command store_command() {
  Command command{.name = "store",
                  .summary = "Serve repositories, and say who may do what there",
                  .description = "A store of this machine's folders for other machines."};
  command.commands.push_back(serve_command());
  command.commands.push_back(store_token_command());
  return command;
}

}  // namespace backstay::cli
