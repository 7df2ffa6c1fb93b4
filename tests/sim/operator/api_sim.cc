#include "tests/sim/operator/api_sim.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/check.h"

namespace sluice::sim {
namespace {

using kube::HttpResponse;
using kube::Json;
using kube::ResourceType;

constexpr std::array kServed{
    &kube::kQueues,
    &kube::kPods,
    &kube::kServices,
    &kube::kConfigMaps,
    &kube::kSecrets,
    &kube::kServiceAccounts,
    &kube::kPersistentVolumeClaims,
    &kube::kNamespaces,
    &kube::kStatefulSets,
    &kube::kDeployments,
    &kube::kPodDisruptionBudgets,
    &kube::kNetworkPolicies,
    &kube::kLeases,
    &kube::kEvents,
    &kube::kStorageClasses,
    &kube::kHorizontalPodAutoscalers,
};

std::string decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%' || i + 2 >= text.size()) {
      out += text[i];
      continue;
    }
    int value = 0;
    std::from_chars(text.data() + i + 1, text.data() + i + 3, value, 16);
    out += static_cast<char>(value);
    i += 2;
  }
  return out;
}

std::vector<std::string> parts_of(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(separator), text.size());
    if (end > 0) parts.push_back(decoded(text.substr(0, end)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

std::uint64_t number(const std::string& text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::string query_of(const ApiCall& call, const std::string& name) {
  const auto found = call.query.find(name);
  return found == call.query.end() ? std::string() : found->second;
}

bool matches(const ApiCall& call, const Json& object) {
  if (!object.is_object()) return false;
  if (!call.name_space.empty() && kube::namespace_of(object) != call.name_space) return false;
  const Json& labels = kube::value_in(object, {"metadata", "labels"});
  for (const std::string& term : parts_of(query_of(call, "labelSelector"), ',')) {
    const std::size_t equals = term.find('=');
    const std::string key = term.substr(0, equals);
    const Json& value = kube::value_in(labels, {key});
    if (!value.is_string()) return false;
    if (equals != std::string::npos && value != term.substr(equals + 1)) return false;
  }
  return true;
}

HttpResponse ok(const Json& body) { return {200, body.dump(), std::nullopt}; }

HttpResponse response_of(const base::Result<Json>& result) {
  if (result.has_value()) return ok(*result);
  const std::string& message = result.error().message();
  switch (result.error().code()) {
    case base::ErrorCode::kNotFound:
      return status_response(404, "NotFound", message);
    case base::ErrorCode::kAlreadyExists:
      return status_response(409, "AlreadyExists", message);
    case base::ErrorCode::kConflict:
      return status_response(409, "Conflict", message);
    case base::ErrorCode::kPermissionDenied:
      return status_response(403, "Forbidden", message);
    default:
      return status_response(422, "Invalid", message);
  }
}

kube::Propagation propagation_of(const Json& options) {
  const std::string policy = kube::text_in(options, "propagationPolicy");
  if (policy == "Orphan") return kube::Propagation::kOrphan;
  return policy == "Foreground" ? kube::Propagation::kForeground : kube::Propagation::kBackground;
}

}  // namespace

HttpResponse status_response(int status, std::string_view reason, std::string_view message) {
  return {status,
          Json{{"kind", "Status"},
               {"apiVersion", "v1"},
               {"code", status},
               {"reason", reason},
               {"message", message}}
              .dump(),
          std::nullopt};
}

std::string ApiCall::to_string() const {
  std::string text = method + " " + std::string(type->kind) + " " + name_space + "/" + name;
  if (!subresource.empty()) text += "/" + subresource;
  return text;
}

std::optional<ApiCall> parse_call(const kube::HttpRequest& request) {
  ApiCall call;
  call.method = request.method;
  const std::string_view target = request.target;
  const std::size_t question = std::min(target.find('?'), target.size());
  for (const std::string& pair :
       parts_of(target.substr(std::min(question + 1, target.size())), '&')) {
    const std::size_t equals = std::min(pair.find('='), pair.size());
    call.query[pair.substr(0, equals)] = pair.substr(std::min(equals + 1, pair.size()));
  }
  std::vector<std::string> path = parts_of(target.substr(0, question), '/');
  const std::size_t group_parts = !path.empty() && path[0] == "apis" ? 2 : 1;
  if (path.size() < group_parts + 2) return std::nullopt;
  const std::string group = group_parts == 2 ? path[1] : "";
  const std::string version = path[group_parts];
  path.erase(path.begin(), path.begin() + static_cast<std::ptrdiff_t>(group_parts) + 1);
  if (path.size() >= 3 && path[0] == "namespaces") {
    call.name_space = path[1];
    path.erase(path.begin(), path.begin() + 2);
  }
  for (const ResourceType* type : kServed) {
    if (type->group == group && type->version == version && type->plural == path[0]) {
      call.type = type;
    }
  }
  if (call.type == nullptr) return std::nullopt;
  if (path.size() > 1) call.name = path[1];
  if (path.size() > 2) call.subresource = path[2];
  if (!request.body.empty()) {
    call.body = Json::parse(request.body, nullptr, false);
    if (call.body.is_discarded()) return std::nullopt;
  }
  if (call.method == "POST") call.name = kube::name_of(call.body);
  return call;
}

ApiSim::ApiSim(Loop& loop, test::FakeApiServer& store) : loop_(loop), store_(store) {
  store_.on_change = [this](const kube::ObjectRef& ref, const Json& before, const Json& after) {
    changed(ref, before, after);
  };
}

void ApiSim::changed(const kube::ObjectRef& ref, const Json& before, const Json& after) {
  const auto kept = [](const Json& object) {
    return object.is_null() ? nullptr : std::make_shared<const Json>(object);
  };
  history_[ref.type].push_back({store_.version(), kept(before), kept(after)});
  if (on_change) on_change(ref, before, after);
  for (Signal* signal : listeners_) signal->notify();
}

std::uint64_t ApiSim::visible(const ResourceType& type, std::size_t replica) const {
  const auto found = held_.at(replica).find(&type);
  if (found == held_.at(replica).end() || found->second.until <= loop_.now()) {
    return store_.version();
  }
  return found->second.version;
}

void ApiSim::hold_back(const ResourceType& type, std::size_t replica, base::Nanos time) {
  held_.at(replica)[&type] = {visible(type, replica), loop_.now() + time};
}

void ApiSim::catch_up() {
  for (auto& held : held_) held.clear();
  for (Signal* signal : listeners_) signal->notify();
}

void ApiSim::forget_history() {
  forgotten_ = store_.version();
  for (std::size_t replica = 0; replica < kReplicas; ++replica) {
    // What a cache that is behind has not shown yet is not lost.
    for (const auto& [type, held] : held_.at(replica)) {
      forgotten_ = std::min(forgotten_, visible(*type, replica));
    }
  }
  for (Signal* signal : listeners_) signal->notify();
}

bool ApiSim::is_forgotten(const ResourceType& /*type*/, std::uint64_t version) const {
  return version < forgotten_;
}

std::vector<std::shared_ptr<const Json>> ApiSim::at_version(const ResourceType& type,
                                                            std::uint64_t version) const {
  std::map<std::pair<std::string, std::string>, std::shared_ptr<const Json>> objects;
  const auto found = history_.find(&type);
  if (found == history_.end()) return {};
  for (const Change& change : found->second) {
    if (change.version > version) break;
    const Json& named = change.after != nullptr ? *change.after : *change.before;
    const std::pair key(kube::namespace_of(named), kube::name_of(named));
    if (change.after == nullptr) {
      objects.erase(key);
    } else {
      objects[key] = change.after;
    }
  }
  std::vector<std::shared_ptr<const Json>> all;
  all.reserve(objects.size());
  for (auto& [key, object] : objects) all.push_back(std::move(object));
  return all;
}

HttpResponse ApiSim::list(const ApiCall& call, std::size_t replica) {
  const std::string wanted = query_of(call, "resourceVersion");
  const std::string from = query_of(call, "continue");
  std::uint64_t version = store_.version();
  std::size_t skip = 0;
  bool paged = wanted.empty();
  if (!from.empty()) {
    const std::size_t colon = from.find(':');
    version = number(from.substr(0, colon));
    skip = number(from.substr(colon + 1));
    if (version < forgotten_) return status_response(410, "Expired", "the continue is too old");
  } else if (!wanted.empty()) {
    version = visible(*call.type, replica);
    if (number(wanted) > version) {
      return status_response(504, "Timeout", "Too large resource version");
    }
  }
  Json items = Json::array();
  std::string next;
  std::size_t seen = 0;
  for (const auto& object : at_version(*call.type, version)) {
    if (!matches(call, *object)) continue;
    if (seen++ < skip) continue;
    if (paged && items.size() == page_items) {
      next = std::to_string(version) + ":" + std::to_string(skip + page_items);
      break;
    }
    items.push_back(*object);
  }
  Json metadata = {{"resourceVersion", std::to_string(version)}};
  if (!next.empty()) metadata["continue"] = next;
  return ok({{"kind", std::string(call.type->kind) + "List"},
             {"apiVersion", call.type->api_version()},
             {"metadata", std::move(metadata)},
             {"items", std::move(items)}});
}

HttpResponse ApiSim::write(const ApiCall& call) {
  if (call.method == "POST") return response_of(store_.create(call.body));
  if (call.method == "PUT") return response_of(store_.update(call.body, call.subresource));
  if (call.method == "DELETE") {
    if (store_.find(*call.type, call.name_space, call.name) == nullptr) {
      return status_response(404, "NotFound", call.to_string());
    }
    const Json& wanted = kube::value_in(call.body, {"preconditions"});
    const base::Status removed = store_.remove(
        call.ref(), {kube::text_in(wanted, "uid"), kube::text_in(wanted, "resourceVersion")},
        propagation_of(call.body));
    if (!removed.has_value()) return response_of(removed.error());
    return ok({{"kind", "Status"}, {"status", "Success"}});
  }
  const std::string manager = query_of(call, "fieldManager");
  if (!manager.empty()) {
    return response_of(call.subresource == "status" ? store_.apply_status(call.body, manager)
                                                    : store_.apply(call.body, manager));
  }
  return response_of(store_.merge_patch(call.ref(), call.body, call.subresource));
}

HttpResponse ApiSim::answer(const ApiCall& call, std::size_t replica) {
  if (call.writes()) return write(call);
  if (call.name.empty()) return list(call, replica);
  return response_of(store_.get(call.ref()));
}

std::optional<ApiSim::WatchEvent> ApiSim::next_event(const ApiCall& watch, std::size_t replica,
                                                     std::uint64_t version) const {
  const auto found = history_.find(watch.type);
  if (found == history_.end()) return std::nullopt;
  const std::vector<Change>& changes = found->second;
  const std::uint64_t end = visible(*watch.type, replica);
  auto at = std::upper_bound(
      changes.begin(), changes.end(), version,
      [](std::uint64_t after, const Change& change) { return after < change.version; });
  for (; at != changes.end() && at->version <= end; ++at) {
    const bool was = at->before != nullptr && matches(watch, *at->before);
    const bool is = at->after != nullptr && matches(watch, *at->after);
    if (!was && !is) continue;
    Json object = is ? *at->after : *at->before;
    object["metadata"]["resourceVersion"] = std::to_string(at->version);
    const char* type = is ? (was ? "MODIFIED" : "ADDED") : "DELETED";
    return WatchEvent{at->version, Json{{"type", type}, {"object", std::move(object)}}.dump()};
  }
  return std::nullopt;
}

}  // namespace sluice::sim
