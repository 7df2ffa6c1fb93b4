#include "operator/reconcile/settings_entries.h"

#include <utility>

#include "kube/object_ref.h"
#include "operator/reconcile/fields.h"

namespace sluice::reconcile {

std::vector<std::string> entries_without(
    const Json* config, const std::function<bool(const std::string& file)>& stays) {
  std::vector<std::string> files;
  const Json* data = config == nullptr ? nullptr : find_at(*config, {"data"});
  if (data == nullptr || !data->is_object()) return files;
  for (const auto& [file, value] : data->items()) {
    if (!stays(file)) files.push_back(file);
  }
  return files;
}

Patch drop_entries(const Inputs& inputs, const Json& config,
                   const std::vector<std::string>& files) {
  Json gone = Json::object();
  for (const std::string& file : files) gone[file] = nullptr;
  return {{&kube::kConfigMaps, inputs.name_space, kube::name_of(config)},
          {{"metadata", {{"resourceVersion", kube::resource_version_of(config)}}},
           {"data", std::move(gone)}}};
}

}  // namespace sluice::reconcile
