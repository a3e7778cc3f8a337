// What Boost.Asio does for the server, for the two files that include it.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "http/server/stream.h"

namespace backstay::http {

using Socket = boost::asio::ip::tcp::socket;
using TlsContext = boost::asio::ssl::context;

// TLS 1.2 and later, with the server's certificate and key.
Result<std::unique_ptr<TlsContext>> tls_context(const std::string& certificate_file,
                                                const std::string& key_file);

// The socket outlives the stream. Without a context: plain.
[[nodiscard]] std::unique_ptr<Stream> stream_over(Socket& socket, TlsContext* context);

}  // namespace backstay::http
