#pragma once

#include <functional>
#include <string>

#include "frontend/http/metric.h"
#include "frontend/http/process_stats.h"
#include "frontend/http/router.h"

namespace sluice::frontend::http {

// Good, or why not.
struct Verdict {
  bool ok = false;
  std::string reason;  // for people: "recovering: 40 % of the log read"
};

// What the program tells its HTTP side. All are called on the server's thread, must be safe there,
// and must not block.
struct EndpointSources {
  // The process lives and its loop turns; false makes Kubernetes restart it.
  std::function<Verdict()> healthy;
  // Clients can be served: recovered and listening. /readyz also wants that new ones can come in,
  // which the statistics know.
  std::function<Verdict()> ready;
  StatsSource stats;
  SeriesLimits series;
};

// GET /healthz, /readyz and /metrics for everybody; /api/v1/queues and /api/v1/queues/NAME for
// peers on the same machine only, because there is no telling who the others are.
Router make_router(EndpointSources sources);

}  // namespace sluice::frontend::http
