#include "operator/reconcile/secret_files.h"

#include <utility>

#include "base/base64.h"
#include "operator/reconcile/fields.h"

namespace sluice::reconcile {

SecretFiles secret_files(const kube::Json* secret) {
  SecretFiles files;
  const Json* data = secret == nullptr ? nullptr : find_at(*secret, {"data"});
  if (data == nullptr || !data->is_object()) return files;
  for (const auto& [name, value] : data->items()) {
    if (!value.is_string()) continue;
    auto text = base::decode_base64(value.get_ref<const std::string&>());
    if (text.has_value()) files.emplace(name, *std::move(text));
  }
  return files;
}

kube::Json secret_data(const SecretFiles& files) {
  kube::Json data = kube::Json::object();
  for (const auto& [name, text] : files) data[name] = base::encode_base64(text);
  return data;
}

}  // namespace sluice::reconcile
