// What the examples share: where the repository is, and how a failure is said.
#pragma once

#include <backstay/backstay.h>

#include <cstdlib>
#include <iostream>

// The passphrase comes from the environment: arguments are seen by everybody on the machine.
inline backstay::Access access_to(const char* url) {
  const char* const passphrase = std::getenv("BACKSTAY_PASSWORD");
  return {.url = url,
          .passphrase = passphrase == nullptr ? "" : passphrase,
          .note = [](const std::string& message) { std::cerr << message << '\n'; }};
}

inline int failed(const backstay::Error& error) {
  std::cerr << error.describe() << '\n';
  if (!error.hint().empty()) std::cerr << "hint: " << error.hint() << '\n';
  return 1;
}
