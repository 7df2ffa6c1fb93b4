#pragma once

#include <optional>
#include <string>

#include "operator/api/object_reader.h"
#include "operator/api/queue.h"
#include "operator/api/yaml_node.h"

// The parts of a Queue's spec, one decoder each. All take the map (nullptr = absent), its path and
// a value that holds the defaults.
namespace sluice::api {

void decode_delivery(const YamlNode* node, const std::string& path, DecodeContext& context,
                     Delivery& out);
void decode_dead_letter(const YamlNode* node, const std::string& path, DecodeContext& context,
                        DeadLetter& out);
void decode_consumers(const YamlNode* node, const std::string& path, DecodeContext& context,
                      Consumers& out);
void decode_broker(const YamlNode* node, const std::string& path, DecodeContext& context,
                   BrokerSpec& out);
void decode_access(const YamlNode* node, const std::string& path, DecodeContext& context,
                   std::vector<AccessPeer>& out);
// The whole spec, subscriptions with their defaults included.
void decode_spec(const YamlNode* node, DecodeContext& context, QueueSpec& out);

}  // namespace sluice::api
