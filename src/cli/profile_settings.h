// A profile of a configuration file as what it says for options, below the command line and the
// environment.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "cli/command.h"
#include "cli/global_options.h"
#include "cli/parser.h"
#include "config/file.h"

namespace backstay::cli {

// The environment, and behind it the variables that a profile's repository brings. Secrets are
// looked up when somebody asks for them, and never kept. A secret that cannot be had is told.
class ProfileEnvironment final : public Environment {
 public:
  explicit ProfileEnvironment(const Environment& given) : given_(given) {}
  [[nodiscard]] std::optional<std::string> get(std::string_view name) const override;

  [[nodiscard]] const Environment& given() const { return given_; }
  // One that is set in the environment itself comes first. `origin` is for messages.
  struct Brought {
    std::string text;
    policy::SecretReference reference;  // instead of the text
    std::string origin;
  };
  void bring(std::string name, Brought variable) {
    brought_[std::move(name)] = std::move(variable);
  }
  using Tell = std::function<void(const std::string&)>;
  // Whom failures are told; outlives the environment's use.
  void tell_to(Tell tell) { tell_ = std::move(tell); }

 private:
  [[nodiscard]] Result<std::string> secret(const policy::SecretReference& reference) const;

  const Environment& given_;
  std::map<std::string, Brought, std::less<>> brought_;
  Tell tell_;
};

// Turns one profile into settings. What it refers to outlives it.
class ProfileReader {
 public:
  ProfileReader(const config::File& file, const config::Profile& profile,
                ProfileEnvironment& environment, GlobalOptions& options)
      : file_(file), profile_(profile), environment_(environment), options_(options) {}

  // For a command; brings the repository's variables and copies, too.
  Result<Settings> read(const Program& program, const std::vector<const Command*>& commands,
                        const AlreadyGiven& given);

 private:
  [[nodiscard]] bool secrets_are_given(const AlreadyGiven& given) const;
  Result<std::string> expanded(const config::Value& value) const;
  Result<Setting> setting_of(std::string name, const config::Value& value) const;
  // What the file says of the repository that is used; null where it says nothing.
  Result<const config::Value*> add_repository(Settings& settings, const AlreadyGiven& given);
  Result<void> add_variables(const config::Value& repository);
  // What options of the whole program are to be, of a profile or a repository.
  Result<void> add_program_options(const Program& program, const config::Value& from,
                                   const AlreadyGiven& given, Settings& settings) const;
  Result<void> add_secret(Settings& settings, const config::Value& repository);
  Result<void> add_places(const std::string& name, const config::Value& repository,
                          const std::string& url);
  Result<void> add_section(const config::Value& section, const Command& command,
                           const AlreadyGiven& given, Settings& settings) const;
  [[nodiscard]] std::string absolute(const std::string& path) const;
  [[nodiscard]] std::string absolute_url(const std::string& url) const;

  const config::File& file_;
  const config::Profile& profile_;
  ProfileEnvironment& environment_;
  GlobalOptions& options_;
};

// For the program as it was started: reads the file and the profile that the options name, when
// the command is one that takes settings.
class ProgramSettings {
 public:
  ProgramSettings(const Program& program, GlobalOptions& options, ProfileEnvironment& environment)
      : program_(program), options_(options), environment_(environment) {}
  Result<Settings> operator()(const std::vector<const Command*>& commands,
                              const AlreadyGiven& given);
  // A file with secrets that others can read.
  [[nodiscard]] const std::string& shown_file() const { return shown_file_; }

 private:
  const Program& program_;
  GlobalOptions& options_;
  ProfileEnvironment& environment_;
  std::string shown_file_;
};

}  // namespace backstay::cli
