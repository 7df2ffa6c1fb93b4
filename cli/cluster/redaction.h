#pragma once

#include <string>
#include <string_view>

#include "kube/json.h"

namespace sluice::cli::cluster {

// An object as it may leave the cluster: the values of a Secret are replaced by their length, those
// of environment variables that sound like secrets too, and what kubectl or an apply keeps as a
// copy of the whole object goes, as do managedFields.
kube::Json redacted(kube::Json object);

// Text of a program (a log, a page) with what looks like a key or token replaced: 40 characters of
// Z85 as ZeroMQ's keys are, bearer tokens.
std::string redacted_text(std::string_view text);

}  // namespace sluice::cli::cluster
