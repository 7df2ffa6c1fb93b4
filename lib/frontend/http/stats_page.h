#pragma once

#include <functional>
#include <memory>
#include <string>

#include "frontend/http/exchange.h"
#include "frontend/http/process_stats.h"

namespace sluice::frontend::http {

// A page that is made from the statistics, at most once for each picture of them: however many ask
// and however slowly they read, the bytes exist once a picture. One thread (the server's).
class StatsPage {
 public:
  using Render = std::function<std::string(const ProcessStats&)>;

  StatsPage(StatsSource source, Render render);

  // Null until there are statistics.
  Body get();

 private:
  StatsSource source_;
  Render render_;
  std::shared_ptr<const ProcessStats> rendered_;  // kept, so that its address stays its own
  Body body_;
};

}  // namespace sluice::frontend::http
