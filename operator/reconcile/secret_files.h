#pragma once

#include <map>
#include <string>

#include "kube/json.h"

namespace sluice::reconcile {

// The files of a Secret, by name.
using SecretFiles = std::map<std::string, std::string, std::less<>>;

// Decoded; what is no base64 is left out. nullptr = none.
SecretFiles secret_files(const kube::Json* secret);
// The field `data` for these.
kube::Json secret_data(const SecretFiles& files);

}  // namespace sluice::reconcile
