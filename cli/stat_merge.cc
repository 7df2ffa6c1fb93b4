#include "cli/stat_merge.h"

#include <algorithm>
#include <set>
#include <string>

namespace sluice::cli {
namespace {

using Json = nlohmann::json;

// Adds the whole numbers of an object to those of another, and of the objects in them.
void add_numbers(Json& into, const Json& from) {
  if (!from.is_object()) return;
  if (!into.is_object()) into = Json::object();
  for (const auto& [key, value] : from.items()) {
    if (value.is_object()) {
      add_numbers(into[key], value);
    } else if (value.is_number_integer()) {
      into[key] = into.value(key, std::uint64_t{0}) + value.get<std::uint64_t>();
    }
  }
}

void add_number(Json& into, const Json& from, const char* key) {
  into[key] = into.value(key, std::uint64_t{0}) + from.value(key, std::uint64_t{0});
}

void merge_conditions(Json& into, const Json& from) {
  const auto is_true = [](const Json& document) {
    const auto conditions = document.find("conditions");
    return conditions != document.end() && conditions->is_array() && !conditions->empty() &&
           conditions->front().value("status", "") == "True";
  };
  if (is_true(from) && !is_true(into)) into["conditions"] = from.at("conditions");
}

void merge_consumers(Json& into, const Json& from) {
  std::set<std::string> names;
  const auto add = [&names](const Json& consumers) {
    for (const auto& name : consumers.value("names", Json::array())) {
      if (name.is_string()) names.insert(name.get<std::string>());
    }
  };
  add(into);
  add(from);
  into["count"] =
      std::max(into.value("count", std::uint64_t{0}), from.value("count", std::uint64_t{0}));
  into["names"] = names;
}

void merge_subscription(Json& into, const Json& from) {
  constexpr const char* kAge = "oldestMessageAgeSeconds";
  add_numbers(into["messages"], from.value("messages", Json::object()));
  add_numbers(into["sinceStart"], from.value("sinceStart", Json::object()));
  into[kAge] = std::max(into.value(kAge, 0.0), from.value(kAge, 0.0));
  merge_consumers(into["consumers"], from.value("consumers", Json::object()));
  if (from.value("deadLettersFull", false)) into["deadLettersFull"] = true;
}

// Calls merge(into, from) for entries of the same name; others are added.
template <typename Merge>
void merge_by_name(Json& into, const Json& from, Merge merge) {
  if (!into.is_array()) into = Json::array();
  for (const Json& one : from) {
    const auto same = std::find_if(into.begin(), into.end(), [&](const Json& known) {
      return known.value("name", "") == one.value("name", "");
    });
    if (same == into.end()) {
      into.push_back(one);
    } else {
      merge(*same, one);
    }
  }
}

}  // namespace

void merge_queue_stat(Json& queue, const Json& other) {
  for (const char* key : {"messages", "bytes", "deadLetterBytes", "publishers"}) {
    add_number(queue, other, key);
  }
  add_numbers(queue["retained"], other.value("retained", Json::object()));
  add_numbers(queue["sinceStart"], other.value("sinceStart", Json::object()));
  merge_conditions(queue, other);
  merge_by_name(queue["subscriptions"], other.value("subscriptions", Json::array()),
                merge_subscription);
  for (const Json& task : other.value("tasks", Json::array())) queue["tasks"].push_back(task);
}

void merge_stat(Json& all, const Json& other) {
  merge_conditions(all, other);
  merge_by_name(all["queues"], other.value("queues", Json::array()), merge_queue_stat);
}

}  // namespace sluice::cli
