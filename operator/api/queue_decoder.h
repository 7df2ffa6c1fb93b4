#pragma once

#include "operator/api/object_reader.h"
#include "operator/api/queue.h"
#include "operator/api/yaml_node.h"

namespace sluice::api {

// Decodes one document. What is wrong becomes a problem and keeps its default, so that one pass
// finds everything; a queue from a document with problems is good for nothing else.
Queue decode_queue(const YamlNode& document, DecodeContext& context);

}  // namespace sluice::api
