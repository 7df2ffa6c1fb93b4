#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>

#include "base/prng.h"
#include "kube/http_transport.h"
#include "tests/sim/operator/api_sim.h"
#include "tests/sim/operator/fault_options.h"
#include "tests/sim/operator/loop.h"

namespace sluice::sim {

// Whose call it is, and how its connection is.
struct Sender {
  ProcessId process = 0;
  std::string identity;
  bool election = false;
};

// What the network and the server of a world do with a call.
struct Network {
  Loop& loop;
  ApiSim& api;
  const FaultOptions& faults;  // all 0 once the world has healed
  base::Prng prng;
  // Each write, when it leaves its process, and when it is about to be carried out.
  std::function<void(const Sender&, const ApiCall&)> on_sent;
  std::function<void(const Sender&, const ApiCall&)> on_carry_out;
  std::function<void()> on_carried_out;
  std::function<void(ProcessId)> crash;
  std::map<ProcessId, base::MonoTime> cut_until;

  // Whose watches show nothing newer, and until when.
  struct Behind {
    std::uint64_t version = 0;
    base::MonoTime until;
  };
  std::map<ProcessId, Behind> behind;

  std::uint64_t shown_to(ProcessId process) const {
    const auto found = behind.find(process);
    const bool is_behind = found != behind.end() && loop.now() < found->second.until;
    return is_behind ? found->second.version : std::numeric_limits<std::uint64_t>::max();
  }
  bool is_cut(ProcessId process) const {
    const auto found = cut_until.find(process);
    return found != cut_until.end() && loop.now() < found->second;
  }
};

// The way of one process to the API server: takes time, and loses what the faults say. Its calls
// are made inside of fibers.
class SimTransport final : public kube::HttpTransport {
 public:
  SimTransport(Network& network, Sender sender, base::Millis deadline)
      : network_(network), sender_(std::move(sender)), deadline_(deadline) {}

  base::Result<kube::HttpResponse> send(const kube::HttpRequest& request) override;
  base::Result<kube::HttpResponse> stream(const kube::HttpRequest& request,
                                          const kube::LineSink& sink,
                                          const std::stop_token& stop) override;
  void forget_credentials() override {}

 private:
  bool chance(double probability);
  base::Millis retry_after();
  kube::HttpResponse carry_out(const ApiCall& call);
  base::Result<kube::HttpResponse> answer(const ApiCall& call);
  base::Result<kube::HttpResponse> refuse(const ApiCall& call, bool& refused);
  base::Result<kube::HttpResponse> watch(const ApiCall& call, const kube::LineSink& sink);
  void maybe_crash();

  Network& network_;
  Sender sender_;
  base::Millis deadline_;
};

}  // namespace sluice::sim
