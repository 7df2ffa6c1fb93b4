#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "kube/api.h"
#include "kube/http_transport.h"
#include "runtime/clock.h"

namespace sluice::kube {

// How long and how often a call is tried again inside of one call of Api. What goes beyond is the
// caller's affair, who has other things to do meanwhile.
struct RetryOptions {
  int tries_max = 10;
  base::Millis wait_max{10'000};  // for all waits of a call together
  base::Millis first_wait{200};   // doubled, where the server does not say how long
};

// Told of each answer: 0 as status = there was none.
using CallObserver =
    std::function<void(std::string_view method, int status, base::Millis duration)>;

struct HttpApiSeams {
  HttpTransport& transport;
  const runtime::Clock& clock;
  // Waits; false = the process stops, so that there is no point in going on.
  std::function<bool(base::Millis)> wait;
  CallObserver observe;  // may be empty
  // Asked before each try of a call that writes, also of one that is sent again, so that only who
  // leads writes: an error ends the call. A write that has begun can still be late, so where two
  // leaders could do harm the call carries a precondition besides. May be empty.
  std::function<base::Status()> may_write = {};
};

// Api over HTTP. Tried again, within RetryOptions: 429 and 503 as the server asks for it, 500, 502
// and 504 and broken connections except for creates (other calls say what shall be, not what to
// add, or have a precondition), 401 once with fresh credentials. Never any other 4xx.
class HttpApi final : public Api {
 public:
  explicit HttpApi(HttpApiSeams seams, const RetryOptions& retry = {});

  base::Result<Json> get(const ObjectRef& ref) override;
  base::Result<Json> list(const ResourceType& type, std::string_view name_space,
                          const Selectors& selectors) override;
  base::Result<Json> create(const Json& object) override;
  base::Result<Json> apply(const Json& object, std::string_view field_manager) override;
  base::Result<Json> apply_status(const Json& object, std::string_view field_manager) override;
  base::Result<Json> merge_patch(const ObjectRef& ref, const Json& patch,
                                 std::string_view subresource) override;
  base::Result<Json> update(const Json& object, std::string_view subresource) override;
  base::Status remove(const ObjectRef& ref, const Preconditions& preconditions,
                      Propagation propagation) override;

 private:
  // The last answer, whatever its status, or why there is none.
  base::Result<HttpResponse> call(const HttpRequest& request);
  base::Result<HttpResponse> call_once(const HttpRequest& request);
  base::Result<Json> document(const HttpRequest& request, const std::string& what);
  base::Result<Json> server_side_apply(const Json& object, std::string_view subresource,
                                       std::string_view field_manager);
  base::Result<Json> list_pages(const ResourceType& type, std::string_view name_space,
                                const Selectors& selectors, bool& expired);

  HttpApiSeams seams_;
  RetryOptions retry_;
};

// True where `have` holds everything that `want` says: maps by their keys, lists by their items in
// order and number.
bool contains_document(const Json& have, const Json& want);

}  // namespace sluice::kube
