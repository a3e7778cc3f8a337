// The options that every command has.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "backend/rate_schedule.h"
#include "cli/option.h"

namespace backstay::policy {
struct PlaceSet;
}

namespace backstay::cli {

enum class When : std::uint8_t { kAuto, kAlways, kNever };
enum class LogFormat : std::uint8_t { kText, kJson };

struct GlobalOptions {
  std::string config;   // the configuration file; empty: where one is looked for
  std::string profile;  // of it
  std::string repository;
  // Where the profile's repository has copies: both as a set, and `repository` is its primary.
  std::shared_ptr<const policy::PlaceSet> places;
  std::string password_file;
  std::string password_command;
  std::string recovery_key_file;
  std::string key_file;
  std::string key_command;
  bool json = false;
  bool quiet = false;
  std::uint64_t verbosity = 0;
  bool no_progress = false;
  When color = When::kAuto;
  LogFormat log_format = LogFormat::kText;
  std::string cache_directory;
  bool no_cache = false;
  bool accept_changed = false;
  bool read_only = false;
  std::uint64_t threads = 0;       // 0: one a processor
  std::uint64_t memory_limit = 0;  // bytes; 0: the default
  backend::RateSchedule limit_upload;
  backend::RateSchedule limit_download;
  bool nice = false;
  std::chrono::seconds key_timeout{120};
  // Those that the command line gave, as words that give them again.
  std::vector<std::string> given;
};

// `target` outlives the table.
std::vector<Option> global_option_table(GlobalOptions& target);

}  // namespace backstay::cli
