#pragma once

#include <memory>

#include "base/result.h"
#include "cli/context.h"
#include "client/connection.h"

namespace sluice::cli {

// A session with the broker at the endpoint; the error says what to do when nobody answers there.
base::Result<std::unique_ptr<client::Connection>> connect(const Context& context);

}  // namespace sluice::cli
