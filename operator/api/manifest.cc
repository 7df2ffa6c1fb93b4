#include "operator/api/manifest.h"

#include <map>
#include <utility>

#include "operator/api/object_reader.h"
#include "operator/api/queue_decoder.h"
#include "operator/api/yaml_reader.h"

namespace sluice::api {

std::string Manifest::describe_problems(std::string_view file) const {
  std::string out;
  for (const Problem& problem : problems) {
    if (!out.empty()) out += "\n";
    out += problem.to_string(file);
  }
  if (problems_left_out > 0) {
    out +=
        "\n" + std::string(file) + ": and " + std::to_string(problems_left_out) + " more problems";
  }
  return out;
}

Manifest parse_manifest(std::string_view text) {
  Problems problems;
  DecodeContext context{problems};
  Manifest manifest;
  const std::vector<YamlNode> documents = read_yaml(text, problems);
  if (documents.empty() && problems.empty()) {
    problems.add(0, "", "holds no document; expected at least one Queue");
  }
  std::map<std::pair<std::string, std::string>, int> line_of;
  for (const YamlNode& document : documents) {
    Queue queue = decode_queue(document, context);
    const Metadata& metadata = queue.metadata;
    const auto [first, is_new] =
        line_of.emplace(std::pair(metadata.name_space, metadata.name), queue.line);
    if (!is_new && !metadata.name.empty()) {
      problems.add(queue.line, "metadata.name",
                   shown(metadata.name) + " is taken by the Queue of line " +
                       std::to_string(first->second) + "; each name once");
    }
    manifest.queues.push_back(std::move(queue));
  }
  problems.sort();
  manifest.problems = problems.list();
  manifest.problems_left_out = problems.left_out();
  return manifest;
}

base::Result<std::vector<Queue>> parse_queues(std::string_view file, std::string_view text) {
  Manifest manifest = parse_manifest(text);
  if (!manifest.ok()) return base::invalid_argument(manifest.describe_problems(file));
  return std::move(manifest.queues);
}

std::map<std::string, FieldInfo> manifest_schema() {
  Problems problems;
  std::map<std::string, FieldInfo> fields;
  DecodeContext context{problems, &fields};
  YamlNode document;
  document.kind = YamlKind::kMap;
  decode_queue(document, context);
  return fields;
}

std::set<std::string> manifest_fields() {
  std::set<std::string> paths;
  for (const auto& [path, info] : manifest_schema()) paths.insert(path);
  return paths;
}

}  // namespace sluice::api
