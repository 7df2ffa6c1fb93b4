#include "cli/stat_table.h"

#include <cstdint>
#include <nlohmann/json.hpp>

#include "cli/format.h"
#include "cli/terminal.h"
#include "cli/text_table.h"

namespace sluice::cli {
namespace {

using nlohmann::json;

const json& child(const json& object, const char* name) {
  static const json kNothing = json::object();
  if (!object.is_object()) return kNothing;
  const auto found = object.find(name);
  return found == object.end() ? kNothing : *found;
}

std::uint64_t number(const json& object, const char* name) {
  const json& value = child(object, name);
  return value.is_number() ? value.get<std::uint64_t>() : 0;
}

double real(const json& object, const char* name) {
  const json& value = child(object, name);
  return value.is_number() ? value.get<double>() : 0;
}

std::string text(const json& object, const char* name) {
  const json& value = child(object, name);
  if (value.is_string()) return value.get<std::string>();
  return value.is_object() ? "" : value.dump();
}

std::string oldest(const json& subscription) {
  const json& messages = child(subscription, "messages");
  if (number(messages, "ready") + number(messages, "inFlight") == 0) return "-";
  return format_age(real(subscription, "oldestMessageAgeSeconds"));
}

// "published 5  refused 0": the counters of an object, whatever they are.
std::string counters(const json& object) {
  std::string line;
  for (const auto& [name, value] : object.items()) {
    if (!value.is_number()) continue;
    if (!line.empty()) line += "  ";
    line += name + " " + format_count(value.get<std::uint64_t>());
  }
  return line;
}

// "path.to.field  value" for every leaf.
void add_settings(TextTable& table, const json& value, const std::string& path) {
  if (!value.is_object()) {
    table.add({"  " + path, value.is_string() ? value.get<std::string>() : value.dump()});
    return;
  }
  for (const auto& [name, inner] : value.items()) {
    std::string inner_path = path;
    if (!inner_path.empty()) inner_path += '.';
    inner_path += name;
    add_settings(table, inner, inner_path);
  }
}

std::string render_settings(const json& settings) {
  TextTable table({"SETTINGS", ""});
  add_settings(table, settings, "");
  return table.render();
}

}  // namespace

json as_queue_list(json document) {
  if (document.contains("queues")) return document;
  json list = json::object();
  list["queues"] = json::array({std::move(document)});
  return list;
}

std::string render_stat_table(const json& document) {
  TextTable table({"QUEUE", "SUBSCRIPTION", ">READY", ">IN FLIGHT", ">DELAYED", ">DEAD", ">OLDEST",
                   ">CONSUMERS"});
  std::string damaged;
  for (const json& queue : child(document, "queues")) {
    for (const json& one : child(queue, "subscriptions")) {
      const json& messages = child(one, "messages");
      const auto count = [&](const char* name) { return format_count(number(messages, name)); };
      table.add({text(queue, "name"), text(one, "name"), count("ready"), count("inFlight"),
                 count("delayed"), count("deadLettered"), oldest(one),
                 format_count(number(child(one, "consumers"), "count"))});
      if (number(messages, "damaged") == 0) continue;
      damaged += "needs repair: " + count("damaged") + " damaged messages in " +
                 text(queue, "name") + ", subscription " + text(one, "name") + "\n";
    }
  }
  return table.size() > 0 ? table.render() + damaged : "no queues\n";
}

std::string render_queue(const json& queue) {
  std::string out = bold(text(queue, "name")) + "  " + dim(text(queue, "id")) + "\n";
  out += "messages " + format_count(number(queue, "messages")) + "  bytes " +
         format_size(number(queue, "bytes")) + "  dead letters " +
         format_size(number(queue, "deadLetterBytes")) + "  publishers " +
         format_count(number(queue, "publishers")) + "\n";
  out += "since start: " + counters(child(queue, "sinceStart")) + "\n";
  for (const json& one : child(queue, "subscriptions")) {
    out += "\nsubscription " + bold(text(one, "name"));
    if (one.value("created", false)) {
      out += dim("  created by a consumer, idle " + format_age(real(one, "idleSeconds")));
    }
    out += "\n";
    out += "  " + counters(child(one, "messages")) + "  oldest " + oldest(one) + "\n";
    out += "  since start: " + counters(child(one, "sinceStart")) + "\n";
    const json& consumers = child(one, "consumers");
    out += "  consumers " + format_count(number(consumers, "count")) + "\n";
    for (const json& name : child(consumers, "names")) {
      if (name.is_string()) out += "    " + printable(name.get<std::string>()) + "\n";
    }
    if (one.contains("settings")) out += render_settings(one["settings"]);
  }
  if (queue.contains("settings")) out += "\n" + render_settings(queue["settings"]);
  return out;
}

}  // namespace sluice::cli
