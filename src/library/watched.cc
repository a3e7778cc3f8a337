#include <condition_variable>
#include <mutex>

#include "library/opened.h"

namespace backstay::library {
namespace {

constexpr std::chrono::milliseconds kBetweenTellings{200};

}  // namespace

Watched::Watched(const Access& access, const Watch& watch)
    : watch_(watch),
      activity_{.progress = progress_,
                .stop = access.stop,
                .report =
                    [this](const std::string& path, const Error& error) {
                      if (watch_.trouble) watch_.trouble(path, error);
                    },
                .note =
                    [&access](const std::string& message) {
                      if (access.note) access.note(message);
                    }} {
  if (!watch_.progress) return;
  teller_ = std::jthread([this](const std::stop_token& stop) { keep_telling(stop); });
}

Watched::~Watched() {
  if (!watch_.progress) return;
  teller_.request_stop();
  teller_.join();
  tell();
}

void Watched::tell() const {
  watch_.progress({.files_done = progress_.files_done,
                   .files_total = progress_.files_total,
                   .bytes_done = progress_.bytes_done,
                   .bytes_total = progress_.bytes_total,
                   .bytes_stored = progress_.bytes_stored,
                   .errors = progress_.errors,
                   .current = progress_.current()});
}

void Watched::keep_telling(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any woken;
  std::unique_lock lock(mutex);
  while (!woken.wait_for(lock, stop, kBetweenTellings, [&stop] { return stop.stop_requested(); }))
    tell();
}

}  // namespace backstay::library
