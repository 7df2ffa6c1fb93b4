#include "tests/sim/operator/sim_transport.h"

#include <algorithm>
#include <charconv>
#include <memory>
#include <optional>
#include <utility>

#include "base/check.h"

namespace sluice::sim {
namespace {

using kube::HttpResponse;

constexpr base::Millis kLateMax{20'000};

base::Nanos millis(std::uint64_t count) { return base::Millis(static_cast<std::int64_t>(count)); }

std::uint64_t version_of(const ApiCall& call) {
  const auto found = call.query.find("resourceVersion");
  std::uint64_t version = 0;
  if (found == call.query.end()) return version;
  const std::string& text = found->second;
  std::from_chars(text.data(), text.data() + text.size(), version);
  return version;
}

}  // namespace

bool SimTransport::chance(double probability) {
  return probability > 0 && network_.prng.chance(probability);
}

base::Millis SimTransport::retry_after() { return std::chrono::seconds(network_.prng.below(5)); }

HttpResponse SimTransport::carry_out(const ApiCall& call) {
  if (call.writes() && network_.on_carry_out) network_.on_carry_out(sender_, call);
  HttpResponse response = network_.api.answer(call, network_.prng.below(ApiSim::kReplicas));
  if (call.writes() && network_.on_carried_out) network_.on_carried_out();
  network_.loop.note(sender_.identity + " " + call.to_string() + " = " +
                     std::to_string(response.status));
  return response;
}

void SimTransport::maybe_crash() {
  if (!chance(network_.faults.crash_at_call)) return;
  network_.loop.post(0, base::Nanos(0),
                     [crash = network_.crash, process = sender_.process] { crash(process); });
  network_.loop.wait_for_death();
}

// What the server says in place of an answer.
base::Result<HttpResponse> SimTransport::refuse(const ApiCall& call, bool& refused) {
  refused = true;
  const FaultOptions& faults = network_.faults;
  if (chance(faults.too_many)) {
    HttpResponse response = status_response(429, "TooManyRequests", "too many requests");
    if (network_.prng.chance(0.8)) response.retry_after = retry_after();
    return response;
  }
  if (chance(faults.unavailable)) return status_response(503, "ServiceUnavailable", "overloaded");
  if (chance(faults.internal)) {
    if (network_.prng.chance(0.5)) static_cast<void>(carry_out(call));
    const int status = network_.prng.chance(0.5) ? 500 : 504;
    return status_response(status, "InternalError", "something went wrong");
  }
  const bool may_conflict = call.method == "PATCH" || call.method == "PUT";
  if (may_conflict && chance(faults.conflict)) {
    return status_response(409, "Conflict", "the object has been modified");
  }
  refused = false;
  return base::unavailable("");
}

base::Result<HttpResponse> SimTransport::answer(const ApiCall& call) {
  const FaultOptions& faults = network_.faults;
  Loop& loop = network_.loop;
  base::Prng& prng = network_.prng;
  if (network_.is_cut(sender_.process) || chance(faults.request_lost)) {
    loop.linger(millis(prng.below(50)));
    return base::unavailable("the connection broke");
  }
  if (chance(faults.request_late)) {
    // It is under way for longer than anyone waits.
    const base::Nanos late = base::Nanos(deadline_) + millis(prng.below(kLateMax.count()));
    loop.post(0, late, [network = &network_, sender = sender_, call] {
      SimTransport(*network, sender, base::Millis(0)).carry_out(call);
    });
    loop.linger(deadline_);
    return base::Error(base::ErrorCode::kDeadlineExceeded, "no answer in time");
  }
  const base::Nanos way =
      chance(faults.slow) ? millis(500 + prng.below(8'000)) : millis(1 + prng.below(10));
  if (way > base::Nanos(deadline_)) {
    loop.post(0, way, [network = &network_, sender = sender_, call] {
      SimTransport(*network, sender, base::Millis(0)).carry_out(call);
    });
    loop.linger(deadline_);
    return base::Error(base::ErrorCode::kDeadlineExceeded, "no answer in time");
  }
  // The request goes on its way whatever becomes of its sender.
  const auto reply = std::make_shared<std::optional<base::Result<HttpResponse>>>();
  loop.post(0, way, [network = &network_, sender = sender_, call, reply] {
    SimTransport server(*network, sender, base::Millis(0));
    bool refused = false;
    base::Result<HttpResponse> refusal = server.refuse(call, refused);
    if (refused && call.writes()) {
      network->loop.note(sender.identity + " " + call.to_string() +
                         " is refused: " + std::to_string(refusal->status));
    }
    *reply = refused ? std::move(refusal) : base::Result<HttpResponse>(server.carry_out(call));
  });
  loop.linger(way + millis(1 + prng.below(5)));
  CHECK(reply->has_value());
  if (network_.is_cut(sender_.process) || chance(faults.reply_lost))
    return base::unavailable("the connection broke");
  return **reply;
}

base::Result<HttpResponse> SimTransport::send(const kube::HttpRequest& request) {
  auto call = parse_call(request);
  // Types that the cluster does not have.
  if (!call) {
    network_.loop.linger(millis(2));
    return HttpResponse{404, "404 page not found", std::nullopt};
  }
  call->sent_at = network_.loop.now();
  if (call->writes() && network_.on_sent) network_.on_sent(sender_, *call);
  base::Result<HttpResponse> result = answer(*call);
  maybe_crash();
  return result;
}

base::Result<HttpResponse> SimTransport::stream(const kube::HttpRequest& request,
                                                const kube::LineSink& sink,
                                                const std::stop_token& /*stop*/) {
  const auto call = parse_call(request);
  CHECK(call.has_value());
  network_.loop.linger(millis(1 + network_.prng.below(10)));
  if (network_.is_cut(sender_.process) || chance(network_.faults.request_lost)) {
    return base::unavailable("the connection broke");
  }
  if (chance(network_.faults.too_many)) {
    return HttpResponse{429, "", retry_after()};
  }
  return watch(*call, sink);
}

base::Result<HttpResponse> SimTransport::watch(const ApiCall& call, const kube::LineSink& sink) {
  Loop& loop = network_.loop;
  ApiSim& api = network_.api;
  const FaultOptions& faults = network_.faults;
  struct Listening {
    Listening(ApiSim& server, Loop& of) : api(server), signal(of) { api.listen(&signal); }
    ~Listening() { api.unlisten(&signal); }
    ApiSim& api;
    Signal signal;
  } listening(api, loop);
  const std::size_t replica = network_.prng.below(ApiSim::kReplicas);
  const base::MonoTime end = loop.now() + std::chrono::seconds(60 + network_.prng.below(300));
  const std::string expired =
      R"({"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}})";
  std::uint64_t version = version_of(call);
  if (api.is_forgotten(*call.type, version)) {
    if (network_.prng.chance(0.5)) return status_response(410, "Expired", "too old");
    sink(expired);
    return HttpResponse{200, "", std::nullopt};
  }
  bool skips = false;
  while (loop.now() < end) {
    if (network_.is_cut(sender_.process)) return base::unavailable("the connection broke");
    const std::uint64_t shown = network_.shown_to(sender_.process);
    auto event = api.next_event(call, replica, version);
    if (event && event->version > shown) event.reset();
    if (!event) {
      if (skips) break;
      // A bookmark says how far the cache is, also where nothing of this watch has changed.
      const std::uint64_t seen = std::min(shown, api.visible(*call.type, replica));
      if (seen > version && network_.prng.chance(0.02)) {
        version = seen;
        sink(R"({"type":"BOOKMARK","object":{"metadata":{"resourceVersion":")" +
             std::to_string(version) + "\"}}}");
      }
      loop.wait(listening.signal, std::min(end, loop.now() + std::chrono::seconds(1)));
      continue;
    }
    loop.linger(millis(network_.prng.below(4)));
    version = event->version;
    skips = skips || chance(faults.watch_skips);
    if (!skips && !sink(event->line)) return HttpResponse{200, "", std::nullopt};
    if (!skips && chance(faults.watch_repeats)) sink(event->line);
    if (chance(faults.watch_closed)) return HttpResponse{200, "", std::nullopt};
    if (chance(faults.watch_broken)) return base::unavailable("the connection broke");
    if (chance(faults.watch_expired)) break;
  }
  if (skips || loop.now() < end) {
    sink(expired);
    return HttpResponse{200, "", std::nullopt};
  }
  return HttpResponse{200, "", std::nullopt};
}

}  // namespace sluice::sim
