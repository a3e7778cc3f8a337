// What a store server answers: who asks is asked for a token, and what is asked for goes to the
// repository below the server's folder.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "http/server/exchange.h"
#include "store/repository.h"
#include "store/tokens.h"

namespace backstay::store {

enum class ResticRequests : std::uint8_t { kRefused, kAnswered };

struct ServiceOptions {
  std::string folder = {};  // of all repositories
  RepositoryRules rules = {};
  std::string tokens_file = {};  // empty: everybody may do everything
  ResticRequests restic = ResticRequests::kRefused;
  // Is told what strangers are not: why the file of tokens cannot be read. Called by many threads.
  std::function<void(const Error&)> complain = {};
};

// Thread-safe.
class Service {
 public:
  // not_found where there is no folder; what is wrong with the file of tokens.
  static Result<std::unique_ptr<Service>> open(ServiceOptions options);

  void answer(http::Exchange& exchange);

 private:
  explicit Service(ServiceOptions options);
  Result<void> try_to_answer(http::Exchange& exchange);
  Result<Token> who_asks(http::Exchange& exchange);
  Result<void> answer_own(http::Exchange& exchange, const Token& who, std::string_view path);
  Result<void> answer_restic(http::Exchange& exchange, const Token& who, std::string_view path);
  void refuse(http::Exchange& exchange, const Error& error) const;

  const ServiceOptions options_;
  Repositories repositories_;
  std::unique_ptr<Tokens> tokens_;
};

}  // namespace backstay::store
