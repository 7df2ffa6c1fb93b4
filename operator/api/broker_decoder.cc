#include <optional>
#include <string>
#include <vector>

#include "operator/api/field_limits.h"
#include "operator/api/names.h"
#include "operator/api/spec_decoder.h"
#include "operator/api/string_map.h"

namespace sluice::api {
namespace {

void decode_storage(const YamlNode* node, const std::string& path, DecodeContext& context,
                    Storage& out) {
  ObjectReader reader(node, path, context);
  reader.bytes("size", kStorageSize, out.size);
  reader.text("storageClassName", is_subdomain, kSubdomainForm, out.storage_class_name);
  reader.finish();
}

void decode_resources(const YamlNode* node, const std::string& path, DecodeContext& context,
                      Resources& out) {
  const StringMapRule rule = {.entries_max = kResourcesMax,
                              .accept = is_resource_quantity,
                              .form = "a quantity such as 500m or 2Gi",
                              .whole_numbers_allowed = true};
  ObjectReader reader(node, path, context);
  read_string_map(reader, "requests", context, rule, out.requests);
  read_string_map(reader, "limits", context, rule, out.limits);
  reader.finish();
}

void decode_selector(const YamlNode* node, const std::string& path, DecodeContext& context,
                     std::optional<std::map<std::string, std::string>>& out) {
  ObjectReader reader(node, path, context);
  std::map<std::string, std::string> labels;
  read_string_map(reader, "matchLabels", context, label_rule(), labels);
  reader.finish();
  if (reader.present()) out = std::move(labels);
}

// Of a peer that may connect. `node`: nullptr only to name the fields.
void decode_peer(const YamlNode* node, const std::string& path, DecodeContext& context,
                 AccessPeer& out) {
  ObjectReader reader(node, path, context);
  decode_selector(reader.find("namespaceSelector"), reader.field_path("namespaceSelector"), context,
                  out.namespace_labels);
  decode_selector(reader.find("podSelector"), reader.field_path("podSelector"), context,
                  out.pod_labels);
  reader.finish();
  if (reader.present() && node->entries.empty()) {
    context.problems.add(reader.line(), path,
                         "names nobody; expected namespaceSelector, podSelector or both");
  }
}

}  // namespace

void decode_broker(const YamlNode* node, const std::string& path, DecodeContext& context,
                   BrokerSpec& out) {
  ObjectReader reader(node, path, context);
  reader.text("name", is_label, kLabelForm, out.name);
  reader.text(
      "version", [](std::string_view text) { return !text.empty() && is_label_value(text); },
      "a version such as 0.1.0", out.version);
  decode_storage(reader.find("storage"), reader.field_path("storage"), context, out.storage);
  decode_resources(reader.find("resources"), reader.field_path("resources"), context,
                   out.resources);
  reader.finish();
}

void decode_access(const YamlNode* node, const std::string& path, DecodeContext& context,
                   std::vector<AccessPeer>& out) {
  ObjectReader reader(node, path, context);
  reader.list("from", kAccessPeersMax, [&](const YamlNode& item, const std::string& item_path) {
    decode_peer(&item, item_path, context, out.emplace_back());
  });
  if (context.fields != nullptr) {
    AccessPeer nobody;
    decode_peer(nullptr, reader.field_path("from[]"), context, nobody);
  }
  reader.finish();
}

}  // namespace sluice::api
