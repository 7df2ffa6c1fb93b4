#include "kube/http_api.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "kube/api_error.h"
#include "kube/json_reader.h"

namespace sluice::kube {
namespace {

constexpr std::string_view kJsonBody = "application/json";
constexpr std::string_view kMergePatch = "application/merge-patch+json";
constexpr std::string_view kApplyPatch = "application/apply-patch+yaml";
constexpr int kListRestartsMax = 3;

bool ok(int status) { return status >= 200 && status < 300; }
bool asks_to_wait(int status) { return status == 429 || status == 503; }
bool may_pass(int status) { return status == 500 || status == 502 || status == 504; }

// The body of a write. JSON is YAML, but the server's YAML reader refuses an escaped slash, which
// this writer never makes.
std::string body_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

bool contains_document(const Json& have, const Json& want) {
  if (want.is_object()) {
    if (!have.is_object()) return false;
    return std::all_of(want.items().begin(), want.items().end(), [&have](const auto& item) {
      const auto found = have.find(item.key());
      return found != have.end() && contains_document(*found, item.value());
    });
  }
  if (want.is_array()) {
    return have.is_array() && have.size() == want.size() &&
           std::equal(have.begin(), have.end(), want.begin(), contains_document);
  }
  return have == want;
}

HttpApi::HttpApi(HttpApiSeams seams, const RetryOptions& retry)
    : seams_(std::move(seams)), retry_(retry) {}

base::Result<HttpResponse> HttpApi::call_once(const HttpRequest& request) {
  const base::MonoTime begin = seams_.clock.mono_now();
  base::Result<HttpResponse> response = seams_.transport.send(request);
  if (seams_.observe) {
    const base::Nanos taken(seams_.clock.mono_now() - begin);
    seams_.observe(request.method, response.has_value() ? response->status : 0,
                   std::chrono::duration_cast<base::Millis>(taken));
  }
  return response;
}

base::Result<HttpResponse> HttpApi::call(const HttpRequest& request) {
  const bool repeatable = request.method != "POST";
  base::Millis waited{0};
  base::Millis pause = retry_.first_wait;
  bool fresh_credentials = false;
  const bool fenced = request.method != "GET" && seams_.may_write;
  for (int tries = 1;; ++tries) {
    // The lease may have ended while this call waited to be sent again.
    if (fenced) RETURN_IF_ERROR(seams_.may_write());
    base::Result<HttpResponse> response = call_once(request);
    if (response.has_value() && response->status == 401 && !fresh_credentials) {
      fresh_credentials = true;
      seams_.transport.forget_credentials();
      continue;
    }
    std::optional<base::Millis> wait;
    if (response.has_value() && asks_to_wait(response->status)) {
      wait = response->retry_after.value_or(pause);
    } else if (repeatable && response.has_value() && may_pass(response->status)) {
      wait = pause;
    } else if (repeatable && !response.has_value() &&
               response.error().code() == base::ErrorCode::kUnavailable) {
      wait = pause;
    }
    if (!wait || tries >= retry_.tries_max || waited + *wait > retry_.wait_max) return response;
    if (!seams_.wait(*wait)) return response;
    waited += *wait;
    pause *= 2;
  }
}

base::Result<Json> HttpApi::document(const HttpRequest& request, const std::string& what) {
  base::Result<HttpResponse> response = call(request);
  if (!response.has_value()) return response.error().with_prefix(what);
  if (!ok(response->status)) return error_of(response->status, response->body).with_prefix(what);
  base::Result<Json> json = read_json(response->body);
  if (!json.has_value()) {
    return base::unavailable(what + ": the API server's answer: " + json.error().message());
  }
  return json;
}

base::Result<Json> HttpApi::get(const ObjectRef& ref) {
  return document({"GET", object_path(ref), "", ""}, ref.to_string());
}

base::Result<Json> HttpApi::list_pages(const ResourceType& type, std::string_view name_space,
                                       const Selectors& selectors, bool& expired) {
  std::string target =
      collection_path(type, name_space) + "?limit=" + std::to_string(kListPageItems);
  if (!selectors.label.empty()) target += "&labelSelector=" + percent_encode(selectors.label);
  if (!selectors.field.empty()) target += "&fieldSelector=" + percent_encode(selectors.field);
  const std::string what = "listing " + std::string(type.plural);
  Json all;
  std::string next;
  do {
    const std::string page_target =
        next.empty() ? target : target + "&continue=" + percent_encode(next);
    ASSIGN_OR_RETURN(const HttpResponse response, call({"GET", page_target, "", ""}));
    expired = response.status == 410;
    if (!ok(response.status)) return error_of(response.status, response.body).with_prefix(what);
    ASSIGN_OR_RETURN(Json page, read_json(response.body));
    if (!page.is_object() || !page.contains("items") || !page["items"].is_array()) {
      return base::unavailable(what + ": the API server's answer is no list");
    }
    next = text_in(value_in(page, {"metadata"}), "continue");
    if (all.is_null()) {
      all = std::move(page);
    } else {
      for (Json& item : page["items"]) all["items"].push_back(std::move(item));
    }
  } while (!next.empty());
  Json& items = all["items"];
  items.erase(std::remove_if(items.begin(), items.end(),
                             [](const Json& item) { return !item.is_object(); }),
              items.end());
  // Items of a list do not say of what type they are.
  for (Json& item : items) {
    item["apiVersion"] = type.api_version();
    item["kind"] = type.kind;
  }
  return all;
}

base::Result<Json> HttpApi::list(const ResourceType& type, std::string_view name_space,
                                 const Selectors& selectors) {
  for (int restarts = 0;; ++restarts) {
    bool expired = false;
    base::Result<Json> all = list_pages(type, name_space, selectors, expired);
    // The next pages of an old list are gone: only a new list helps.
    if (!expired || restarts == kListRestartsMax) return all;
  }
}

base::Result<Json> HttpApi::create(const Json& object) {
  ASSIGN_OR_RETURN(const ObjectRef ref, ref_of(object));
  base::Result<Json> made = document(
      {"POST", collection_path(*ref.type, ref.name_space), std::string(kJsonBody), body_of(object)},
      ref.to_string());
  if (made.has_value() || made.error().code() != base::ErrorCode::kAlreadyExists) return made;
  // The connection may have broken before the answer, and the library below sends again: then the
  // object that is in the way is ours.
  base::Result<Json> there = get(ref);
  return there.has_value() && contains_document(*there, object) ? there : made;
}

base::Result<Json> HttpApi::server_side_apply(const Json& object, std::string_view subresource,
                                              std::string_view field_manager) {
  ASSIGN_OR_RETURN(const ObjectRef ref, ref_of(object));
  const std::string target = object_path(ref, subresource) +
                             "?fieldManager=" + percent_encode(field_manager) + "&force=true";
  return document({"PATCH", target, std::string(kApplyPatch), body_of(object)}, ref.to_string());
}

base::Result<Json> HttpApi::apply(const Json& object, std::string_view field_manager) {
  return server_side_apply(object, "", field_manager);
}

base::Result<Json> HttpApi::apply_status(const Json& object, std::string_view field_manager) {
  return server_side_apply(object, "status", field_manager);
}

base::Result<Json> HttpApi::merge_patch(const ObjectRef& ref, const Json& patch,
                                        std::string_view subresource) {
  return document(
      {"PATCH", object_path(ref, subresource), std::string(kMergePatch), body_of(patch)},
      ref.to_string());
}

base::Result<Json> HttpApi::update(const Json& object, std::string_view subresource) {
  ASSIGN_OR_RETURN(const ObjectRef ref, ref_of(object));
  return document({"PUT", object_path(ref, subresource), std::string(kJsonBody), body_of(object)},
                  ref.to_string());
}

base::Status HttpApi::remove(const ObjectRef& ref, const Preconditions& preconditions,
                             Propagation propagation) {
  Json options = {{"apiVersion", "v1"},
                  {"kind", "DeleteOptions"},
                  {"propagationPolicy", to_string(propagation)}};
  if (!preconditions.uid.empty()) options["preconditions"]["uid"] = preconditions.uid;
  if (!preconditions.resource_version.empty()) {
    options["preconditions"]["resourceVersion"] = preconditions.resource_version;
  }
  const base::Result<Json> answer = document(
      {"DELETE", object_path(ref), std::string(kJsonBody), body_of(options)}, ref.to_string());
  if (answer.has_value() || answer.error().code() == base::ErrorCode::kNotFound) return {};
  return answer.error();
}

}  // namespace sluice::kube
