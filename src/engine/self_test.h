// The verb self-test: primitives against known answers, and a small backup and restore in a
// temporary folder.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"

namespace backstay::engine {

struct SelfTestStep {
  std::string name;
  bool passed = false;
  std::string detail;
  double seconds = 0;
};

// Every step's result; the caller says whether all passed. `scratch` is an empty folder for the
// round trip.
std::vector<SelfTestStep> self_test(const std::string& scratch);

}  // namespace backstay::engine
