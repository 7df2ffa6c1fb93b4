#include "frontend/http/endpoints.h"

#include <memory>
#include <string_view>
#include <utility>

#include "frontend/http/prometheus_text.h"
#include "frontend/http/queue_json.h"
#include "frontend/http/stats_page.h"

namespace sluice::frontend::http {
namespace {

constexpr std::string_view kQueuesPath = "/api/v1/queues";

Handler verdict_handler(std::function<Verdict()> judge) {
  return [judge = std::move(judge)](const Request&) {
    const Verdict verdict = judge();
    if (verdict.ok) return text_response(200, kJsonType, "{\"status\":\"ok\"}\n");
    return error_response(503, verdict.reason);
  };
}

Response no_statistics() {
  return error_response(503, "there are no statistics yet; the broker is starting");
}

Handler page_handler(StatsSource stats, std::string_view type, StatsPage::Render render) {
  auto page = std::make_shared<StatsPage>(std::move(stats), std::move(render));
  return [page, type](const Request&) {
    Response response;
    response.content_type = type;
    response.body = page->get();
    return response.body ? response : no_statistics();
  };
}

// "localhost:8080", "127.0.0.1", "[::1]:8080".
bool names_loopback(std::string_view host) {
  if (host.starts_with('[')) {
    host = host.substr(0, host.find(']') + 1);
    return host == "[::1]";
  }
  host = host.substr(0, host.find(':'));
  return host == "localhost" || host == "127.0.0.1";
}

// The Host is looked at because a web page in a browser of this machine has a loopback peer too: it
// can make its own name point here, but not send ours.
Handler loopback_only(Handler handler) {
  return [handler = std::move(handler)](const Request& request) {
    if (!request.peer_is_loopback) {
      return error_response(403,
                            "/api/v1 answers on the loopback interface only, as HTTP has no keys "
                            "here; use kubectl port-forward or a shell there");
    }
    if (!names_loopback(request.host)) {
      return error_response(403,
                            "/api/v1 answers to the host names localhost, 127.0.0.1 and "
                            "[::1] only");
    }
    return handler(request);
  };
}

Handler one_queue_handler(StatsSource stats) {
  return [stats = std::move(stats)](const Request& request) {
    const std::shared_ptr<const ProcessStats> now = stats();
    if (!now) return no_statistics();
    const std::string_view name = std::string_view(request.path).substr(kQueuesPath.size() + 1);
    if (auto json = queue_json(*now, name)) {
      return text_response(200, kJsonType, std::move(*json));
    }
    constexpr std::size_t kNamesMax = 100;
    std::vector<std::string> names;
    for (const auto& queue : now->broker.queues) {
      if (names.size() < kNamesMax) names.push_back(queue.name);
    }
    return error_response(404, "there is no such queue", names);
  };
}

std::function<Verdict()> admits_clients(std::function<Verdict()> ready, StatsSource stats) {
  return [ready = std::move(ready), stats = std::move(stats)] {
    Verdict verdict = ready();
    if (!verdict.ok) return verdict;
    const std::shared_ptr<const ProcessStats> now = stats();
    if (now != nullptr && !now->transport.gatekeeper_answers.value_or(true)) {
      return Verdict{false, "the gatekeeper is silent: no new connection is let in"};
    }
    return verdict;
  };
}

}  // namespace

Router make_router(EndpointSources sources) {
  Router router;
  router.get("/healthz", verdict_handler(std::move(sources.healthy)));
  router.get("/readyz", verdict_handler(admits_clients(std::move(sources.ready), sources.stats)));
  router.get("/metrics", page_handler(sources.stats, kPrometheusType,
                                      [series = sources.series](const ProcessStats& stats) {
                                        return to_prometheus_text(build_metrics(stats, series));
                                      }));
  const std::string queues(kQueuesPath);
  router.get(queues, loopback_only(page_handler(sources.stats, kJsonType, queues_json)));
  router.get(queues + "/*", loopback_only(one_queue_handler(sources.stats)));
  return router;
}

}  // namespace sluice::frontend::http
