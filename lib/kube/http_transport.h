#pragma once

#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace sluice::kube {

struct HttpRequest {
  std::string method = "GET";
  std::string target;        // path and query, encoded
  std::string content_type;  // of the body; empty = there is none
  std::string body;
};

struct HttpResponse {
  int status = 0;
  std::string body;
  std::optional<base::Millis> retry_after;  // what the server asks for
};

// Takes one line of a long answer, without its end; false = that is enough.
using LineSink = std::function<bool(std::string_view line)>;

// The way to one API server: addresses, TLS and credentials are its own affair. Blocking, and safe
// on several threads. Whatever the server answers is a response, also 500; errors are
//   Unavailable        no connection, or it broke: the request may have been carried out
//   DeadlineExceeded   no answer in time: the request may have been carried out
//   PermissionDenied   the credentials cannot be had
//   ResourceExhausted  the answer is longer than is read
class HttpTransport {
 public:
  virtual ~HttpTransport() = default;

  // One answer with its whole body.
  virtual base::Result<HttpResponse> send(const HttpRequest& request) = 0;

  // An answer that goes on for minutes: `sink` gets each line of a 200 on the calling thread, and
  // the server is not read from meanwhile. Ends when the server ends it, the sink has enough, or
  // `stop` is requested; an answer other than 200 comes back with its body, as from send().
  virtual base::Result<HttpResponse> stream(const HttpRequest& request, const LineSink& sink,
                                            const std::stop_token& stop) = 0;

  // The server refused the credentials (401): the next request takes fresh ones.
  virtual void forget_credentials() = 0;
};

}  // namespace sluice::kube
