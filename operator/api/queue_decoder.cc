#include "operator/api/queue_decoder.h"

#include <string>
#include <string_view>

#include "operator/api/field_limits.h"
#include "operator/api/names.h"
#include "operator/api/spec_decoder.h"
#include "operator/api/string_map.h"

namespace sluice::api {
namespace {

// What an API server adds to an object; a dump of a live one may be given as it is.
constexpr std::string_view kServerFields[] = {"uid",
                                              "resourceVersion",
                                              "generation",
                                              "creationTimestamp",
                                              "managedFields",
                                              "ownerReferences",
                                              "finalizers",
                                              "deletionTimestamp",
                                              "selfLink",
                                              "generateName",
                                              "deletionGracePeriodSeconds"};

void decode_metadata(const YamlNode* node, DecodeContext& context, Metadata& out) {
  const StringMapRule annotation_rule = {
      .entries_max = kLabelsMax,
      .accept = [](std::string_view text) { return text.size() <= kAnnotationBytesMax; },
      .form = "at most 256 KiB",
      .whole_numbers_allowed = false};
  ObjectReader reader(node, "metadata", context);
  reader.text("name", is_label, kLabelForm, out.name);
  if (reader.present()) reader.require("name", kLabelForm);
  reader.text("namespace", is_label, kLabelForm, out.name_space);
  read_string_map(reader, "labels", context, label_rule(), out.labels);
  read_string_map(reader, "annotations", context, annotation_rule, out.annotations);
  for (const std::string_view field : kServerFields) reader.accept(field);
  const auto stored = out.annotations.find(std::string(kStoredAnnotation));
  context.passes_unknown = stored != out.annotations.end() && stored->second == "true";
  reader.finish();
}

}  // namespace

Queue decode_queue(const YamlNode& document, DecodeContext& context) {
  Queue queue;
  queue.line = document.line;
  ObjectReader reader(&document, "", context);
  if (!reader.present()) return queue;

  std::string word;
  const auto is = [](std::string_view wanted) {
    return [wanted](std::string_view text) { return text == wanted; };
  };
  reader.text("apiVersion", is(kApiVersion), kApiVersion, word);
  reader.require("apiVersion", kApiVersion);
  reader.text("kind", is(kQueueKind), kQueueKind, word);
  reader.require("kind", kQueueKind);
  // The fields of something else would all be unknown: say only what it is.
  const auto is_other = [&](std::string_view name, std::string_view wanted) {
    const YamlNode* field = document.find(name);
    return field != nullptr && field->text != wanted;
  };
  if (is_other("apiVersion", kApiVersion) || is_other("kind", kQueueKind)) return queue;

  context.passes_unknown = false;
  context.passed_over.clear();
  decode_metadata(reader.find("metadata"), context, queue.metadata);
  reader.require("metadata", "a map with a name");
  decode_spec(reader.find("spec"), context, queue.spec);
  if (queue.spec.broker.name.empty()) queue.spec.broker.name = queue.metadata.name;
  reader.accept("status");
  reader.finish();
  queue.passed_over = context.passed_over;
  return queue;
}

}  // namespace sluice::api
