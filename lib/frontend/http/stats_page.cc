#include "frontend/http/stats_page.h"

#include <utility>

namespace sluice::frontend::http {

StatsPage::StatsPage(StatsSource source, Render render)
    : source_(std::move(source)), render_(std::move(render)) {}

Body StatsPage::get() {
  std::shared_ptr<const ProcessStats> stats = source_();
  if (!stats) return nullptr;
  if (stats != rendered_) {
    body_ = std::make_shared<const std::string>(render_(*stats));
    rendered_ = std::move(stats);
  }
  return body_;
}

}  // namespace sluice::frontend::http
