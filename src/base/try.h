// TRY(expr): the value of a Result, or return its error from this function.
#pragma once

#include "base/error.h"

#define BACKSTAY_CONCAT_(a, b) a##b
#define BACKSTAY_CONCAT(a, b) BACKSTAY_CONCAT_(a, b)

#define BACKSTAY_TRY_(result, expr, ...)                             \
  __extension__({                                                    \
    auto&& result = (expr);                                          \
    if (!result.has_value()) [[unlikely]]                            \
      return std::unexpected(std::move(result).error() __VA_ARGS__); \
    std::move(result).value();                                       \
  })

#define TRY(expr) BACKSTAY_TRY_(BACKSTAY_CONCAT(try_result_, __COUNTER__), expr)
// As TRY, and says what was being done: TRY_DOING("reading pack " + name, read(...)).
#define TRY_DOING(doing, expr) \
  BACKSTAY_TRY_(BACKSTAY_CONCAT(try_result_, __COUNTER__), expr, .with_context(doing))
