#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "kube/credentials.h"
#include "kube/http_transport.h"

namespace sluice::kube {

struct TransportOptions {
  std::string user_agent = "sluice";
  // Of the library's thread pool, which the process has once: the first transport makes it.
  std::size_t threads = 4;
  // Without a byte for so long, a call or a watch has lost its server. A watch gets a bookmark once
  // a minute.
  base::Millis call_idle{15'000};
  base::Millis watch_idle{90'000};
  base::Millis call_deadline{30'000};  // for a whole call
  std::size_t body_bytes_max = 64ULL << 20;
  std::size_t line_bytes_max = 8ULL << 20;
};

// HTTP/1.1 by the C++ REST SDK, TLS 1.2 and later, no redirects. The calling thread waits; bytes of
// an answer are handed over to it, and the connection is not read from while it looks at them.
//
// REQUIRES: destroyed before main() returns, and not while a call is under way.
base::Result<std::unique_ptr<HttpTransport>> make_cpprest_transport(
    ClusterAccess access, const TransportOptions& options);

}  // namespace sluice::kube
