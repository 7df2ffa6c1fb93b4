#include "tests/sim/operator/fault_options.h"

#include <algorithm>
#include <cstdio>
#include <functional>
#include <utility>

namespace sluice::sim {
namespace {

struct Kind {
  Choice choice;
  std::function<void(base::Prng&, FaultOptions&)> draw;
};

// Rare and frequent ones find different things.
double rate(base::Prng& prng, double most) {
  const double unit = prng.unit();
  return most * unit * unit;
}

const std::vector<Kind>& kinds() {
  static const std::vector<Kind> kKinds = {
      {{"replies",
        "connections break before or after a call was carried out, or long before it is"},
       [](base::Prng& prng, FaultOptions& faults) {
         faults.request_lost = rate(prng, 0.1);
         faults.reply_lost = rate(prng, 0.1);
         faults.request_late = rate(prng, 0.03);
       }},
      {{"overload", "429 and 503 with and without Retry-After, 500, 502, 504, slow answers"},
       [](base::Prng& prng, FaultOptions& faults) {
         faults.too_many = rate(prng, 0.15);
         faults.unavailable = rate(prng, 0.1);
         faults.internal = rate(prng, 0.1);
         faults.slow = rate(prng, 0.05);
       }},
      {{"conflicts", "409 to patches and updates"},
       [](base::Prng& prng, FaultOptions& faults) { faults.conflict = rate(prng, 0.2); }},
      {{"watches", "watches end, break, expire, repeat and leave out events"},
       [](base::Prng& prng, FaultOptions& faults) {
         faults.watch_closed = rate(prng, 0.1);
         faults.watch_broken = rate(prng, 0.1);
         faults.watch_expired = rate(prng, 0.1);
         faults.watch_repeats = rate(prng, 0.2);
         faults.watch_skips = rate(prng, 0.1);
         faults.history_forgotten = rate(prng, 0.05);
       }},
      {{"stale", "caches of API servers are behind, each type by itself"},
       [](base::Prng& prng, FaultOptions& faults) {
         faults.cache_held = rate(prng, 0.2);
         faults.caches_held = rate(prng, 0.1);
       }},
      {{"crash", "the operator is killed, after any of its calls and in between, or stopped"},
       [](base::Prng& prng, FaultOptions& faults) {
         faults.crash_at_call = rate(prng, 0.05);
         faults.crash = rate(prng, 0.02);
         faults.stop = rate(prng, 0.01);
       }},
      {{"pause", "an operator stands still, also until its Lease is over"},
       [](base::Prng& prng, FaultOptions& faults) { faults.pause = rate(prng, 0.03); }},
      {{"cut", "an operator does not reach any API server for a while"},
       [](base::Prng& prng, FaultOptions& faults) { faults.cut = rate(prng, 0.1); }},
      {{"lease", "the Lease is taken or removed by hand"},
       [](base::Prng& prng, FaultOptions& faults) {
         faults.lease_stolen = rate(prng, 0.01);
         faults.lease_deleted = rate(prng, 0.01);
       }},
      {{"clock", "the wall clock of an operator steps"},
       [](base::Prng& prng, FaultOptions& faults) { faults.clock_step = rate(prng, 0.03); }},
      {{"apart", "each operator's date is another one, up to ten minutes from the right one"},
       [](base::Prng& /*prng*/, FaultOptions& faults) { faults.clocks_apart = true; }},
      {{"second", "two operators"},
       [](base::Prng& /*prng*/, FaultOptions& faults) { faults.second_operator = true; }},
      {{"brokers", "brokers restart, fall silent, answer late or not at all"},
       [](base::Prng& prng, FaultOptions& faults) {
         faults.broker_silent = rate(prng, 0.03);
         faults.broker_restart = rate(prng, 0.02);
         faults.link_call_lost = rate(prng, 0.1);
         faults.link_call_slow = rate(prng, 0.1);
       }},
      {{"hands", "people change and remove objects of brokers, finalizers, scales"},
       [](base::Prng& prng, FaultOptions& faults) { faults.meddling = rate(prng, 0.1); }},
      {{"rival", "HorizontalPodAutoscalers come and go that scale what the operator scales"},
       [](base::Prng& prng, FaultOptions& faults) { faults.rival = rate(prng, 0.05); }},
      {{"namespace", "in one of four runs the namespace is deleted, and everything in it goes"},
       [](base::Prng& prng, FaultOptions& faults) {
         if (prng.chance(0.25)) faults.namespace_ends = 0.002 + rate(prng, 0.02);
       }},
  };
  return kKinds;
}

}  // namespace

const std::vector<Choice>& fault_choices() {
  static const std::vector<Choice> kChoices = [] {
    std::vector<Choice> choices;
    for (const Kind& kind : kinds()) choices.push_back(kind.choice);
    return choices;
  }();
  return kChoices;
}

FaultOptions draw_faults(base::Prng& prng, const Request& request) {
  FaultOptions faults;
  for (const Kind& kind : kinds()) {
    const bool drawn = prng.chance(0.5);
    const bool wanted = request.faults.empty()
                            ? drawn
                            : std::find(request.faults.begin(), request.faults.end(),
                                        kind.choice.name) != request.faults.end();
    if (wanted && !request.no_faults) kind.draw(prng, faults);
  }
  return faults;
}

std::vector<std::string> FaultOptions::names() const {
  std::vector<std::string> out;
  const auto add = [&](const char* name, double value) {
    if (value <= 0) return;
    char text[64];
    std::snprintf(text, sizeof text, "%s %.4f", name, value);
    out.emplace_back(text);
  };
  add("request_lost", request_lost);
  add("reply_lost", reply_lost);
  add("request_late", request_late);
  add("too_many", too_many);
  add("unavailable", unavailable);
  add("internal", internal);
  add("slow", slow);
  add("conflict", conflict);
  add("watch_closed", watch_closed);
  add("watch_broken", watch_broken);
  add("watch_expired", watch_expired);
  add("watch_repeats", watch_repeats);
  add("watch_skips", watch_skips);
  add("history_forgotten", history_forgotten);
  add("cache_held", cache_held);
  add("caches_held", caches_held);
  add("crash_at_call", crash_at_call);
  add("crash", crash);
  add("stop", stop);
  add("pause", pause);
  add("cut", cut);
  add("lease_stolen", lease_stolen);
  add("lease_deleted", lease_deleted);
  add("clock_step", clock_step);
  add("clocks_apart", clocks_apart ? 1 : 0);
  add("second_operator", second_operator ? 1 : 0);
  add("broker_silent", broker_silent);
  add("broker_restart", broker_restart);
  add("link_call_lost", link_call_lost);
  add("link_call_slow", link_call_slow);
  add("meddling", meddling);
  add("rival", rival);
  add("namespace_ends", namespace_ends);
  return out;
}

}  // namespace sluice::sim
