#include "cli/cluster/queue_text.h"

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "base/wall_text.h"
#include "cli/cluster/queue_access.h"
#include "cli/format.h"
#include "cli/text_table.h"
#include "kube/json.h"
#include "kube/object_ref.h"

namespace sluice::cli::cluster {
namespace {

using kube::Json;

constexpr std::size_t kEventsMax = 10;

std::string or_dash(const std::string& text) { return text.empty() ? "-" : text; }

// A number or a text as it stands.
std::string value_at(const Json& object, std::initializer_list<std::string_view> path) {
  const Json& value = kube::value_in(object, path);
  if (value.is_number_integer()) {
    return format_count(static_cast<std::uint64_t>(std::max<std::int64_t>(0, value)));
  }
  if (value.is_string()) return or_dash(value.get<std::string>());
  return "-";
}

// How long ago a time of the API was: "3m12s".
std::string age_of(std::string time, base::WallTime now) {
  // Events have microseconds, which nobody wants to see.
  if (const std::size_t point = time.find('.'); point != std::string::npos) {
    time = time.substr(0, point) + "Z";
  }
  const auto then = base::parse_wall(time);
  if (!then) return "-";
  constexpr double kMillis = 1000;
  return format_age(static_cast<double>(std::max<std::int64_t>(0, now.value() - then->value())) /
                    kMillis);
}

std::string age_at(const Json& object, std::initializer_list<std::string_view> path,
                   base::WallTime now) {
  const Json& value = kube::value_in(object, path);
  return value.is_string() ? age_of(value.get<std::string>(), now) : "-";
}

// "3/5": replicas there are, and that are wanted where that is another number.
std::string consumers_of(const Json& holder) {
  const std::string current = value_at(holder, {"consumers", "current"});
  const std::string desired = value_at(holder, {"consumers", "desired"});
  return current == desired ? current : current + "/" + desired;
}

void add_line(std::string& out, std::string_view name, const std::string& value) {
  if (value.empty() || value == "-") return;
  constexpr std::size_t kWidth = 12;
  out += std::string(name) + std::string(kWidth > name.size() ? kWidth - name.size() : 1, ' ');
  out += value + "\n";
}

std::string subscriptions_of(const Json& queue) {
  TextTable table({"SUBSCRIPTION", ">READY", ">IN FLIGHT", ">DELAYED", ">DEAD", ">OLDEST",
                   ">CONSUMERS", "REASON"});
  for (const Json& one : kube::value_in(queue, {"status", "subscriptions"})) {
    const std::string limited = kube::text_in(kube::value_in(one, {"consumers"}), "limitedBy");
    table.add({value_at(one, {"name"}), value_at(one, {"ready"}), value_at(one, {"inFlight"}),
               value_at(one, {"delayed"}), value_at(one, {"deadLettered"}),
               value_at(one, {"oldestMessageAge"}), consumers_of(one),
               value_at(one, {"consumers", "reason"}) +
                   (limited.empty() ? "" : ", limited by " + limited)});
  }
  return table.size() == 0 ? "" : table.render();
}

std::string conditions_of(const Json& queue, base::WallTime now) {
  TextTable table({"CONDITION", "STATUS", "SINCE", "REASON", "MESSAGE"});
  for (const Json& one : kube::value_in(queue, {"status", "conditions"})) {
    table.add({value_at(one, {"type"}), value_at(one, {"status"}),
               age_at(one, {"lastTransitionTime"}, now), value_at(one, {"reason"}),
               kube::text_in(one, "message")});
  }
  return table.size() == 0 ? "" : table.render();
}

// When an event was seen last.
std::string last_seen(const Json& event) {
  std::string again = kube::text_in(kube::value_in(event, {"series"}), "lastObservedTime");
  if (!again.empty()) return again;
  const std::string once = kube::text_in(event, "eventTime");
  return once.empty() ? kube::text_in(event, "deprecatedLastTimestamp") : once;
}

std::string events_of(std::vector<Json> events, base::WallTime now) {
  // RFC 3339 in UTC is ordered as text is.
  std::stable_sort(events.begin(), events.end(),
                   [](const Json& a, const Json& b) { return last_seen(a) < last_seen(b); });
  if (events.size() > kEventsMax) {
    events.erase(events.begin(), events.end() - static_cast<std::ptrdiff_t>(kEventsMax));
  }
  TextTable table({"EVENT", "AGE", "TYPE", "NOTE"});
  for (const Json& event : events) {
    table.add({value_at(event, {"reason"}), age_of(last_seen(event), now),
               value_at(event, {"type"}), kube::text_in(event, "note")});
  }
  return table.size() == 0 ? "" : table.render();
}

}  // namespace

std::string condition_of(const Json& queue, std::string_view type) {
  for (const Json& one : kube::value_in(queue, {"status", "conditions"})) {
    if (kube::text_in(one, "type") == type) return or_dash(kube::text_in(one, "status"));
  }
  return "-";
}

std::string render_queue_list(const std::vector<Json>& queues, bool with_namespace,
                              base::WallTime now) {
  std::vector<std::string> headings = {"QUEUE",   "READY",      ">MESSAGES", ">IN FLIGHT", ">DEAD",
                                       ">OLDEST", ">CONSUMERS", "BROKER",    ">AGE"};
  if (with_namespace) headings.insert(headings.begin(), "NAMESPACE");
  TextTable table(std::move(headings));
  for (const Json& queue : queues) {
    std::vector<std::string> row = {kube::name_of(queue),
                                    condition_of(queue, "Ready"),
                                    value_at(queue, {"status", "messages", "ready"}),
                                    value_at(queue, {"status", "messages", "inFlight"}),
                                    value_at(queue, {"status", "messages", "deadLettered"}),
                                    value_at(queue, {"status", "messages", "oldestAge"}),
                                    consumers_of(kube::value_in(queue, {"status"})),
                                    broker_of(queue),
                                    age_at(queue, {"metadata", "creationTimestamp"}, now)};
    if (with_namespace) row.insert(row.begin(), kube::namespace_of(queue));
    table.add(std::move(row));
  }
  return table.render();
}

std::string render_queue_object(const Json& queue, const std::vector<Json>& events,
                                base::WallTime now) {
  std::string out;
  add_line(out, "queue", kube::name_of(queue));
  add_line(out, "namespace", kube::namespace_of(queue));
  add_line(out, "age", age_at(queue, {"metadata", "creationTimestamp"}, now));
  add_line(out, "deleting",
           kube::text_in(kube::value_in(queue, {"metadata"}), "deletionTimestamp"));
  add_line(out, "endpoint", value_at(queue, {"status", "endpoint"}));
  std::string broker = broker_of(queue);
  const std::string version = value_at(queue, {"status", "broker", "version"});
  if (version != "-") broker += ", version " + version;
  const std::string ready = value_at(queue, {"status", "broker", "readyShards"});
  if (ready != "-") {
    broker +=
        ", " + ready + " of " + value_at(queue, {"status", "broker", "shards"}) + " shards ready";
  }
  add_line(out, "broker", broker);
  add_line(out, "storage", value_at(queue, {"status", "broker", "storage"}));
  add_line(out, "bytes", value_at(queue, {"status", "messages", "bytes"}));
  for (const std::string& table :
       {subscriptions_of(queue), conditions_of(queue, now), events_of(events, now)}) {
    if (!table.empty()) out += "\n" + table;
  }
  return out;
}

}  // namespace sluice::cli::cluster
