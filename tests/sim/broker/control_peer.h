#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/prng.h"
#include "operator/link/link_session.h"
#include "tests/sim/broker/network.h"
#include "tests/sim/broker/scheduler.h"
#include "wire/error_code.h"

namespace sluice::sim {

// Whoever watches the broker on its control port, as the operator does and with its code, and
// cordons a consumer now and then. Until it is calmed.
class ControlPeer final : private ClientEnd, private link::LinkPort {
 public:
  ControlPeer(Scheduler& scheduler, Network& network, std::uint64_t seed);
  ~ControlPeer() override;
  ControlPeer(const ControlPeer&) = delete;
  ControlPeer& operator=(const ControlPeer&) = delete;

  void begin();
  void calm() { calm_ = true; }
  // What became of a call: its code, or nothing where no answer came and it may have been carried
  // out.
  using Told = std::function<void(std::optional<wire::Code>, const std::string& why)>;
  // CONFIGURE, as a leader of so many epochs ago says it.
  void configure(std::string manifest, std::uint64_t epochs_ago, Told told);
  void remove(std::string queue, bool if_empty, Told told);
  // A leader took over from the one before, and the broker has said that it knows.
  bool knows_of_two_leaders() const { return answered_epoch_ > 1 && answered_epoch_ == epoch_; }
  // By the newest observation no message waits, is in flight or is dead; false while there is none.
  bool sees_nothing_left() const;
  // What was seen that cannot be; empty = nothing.
  const std::string& complaint() const { return complaint_; }

 private:
  template <typename Reply>
  link::LinkSession::Answer teller(std::uint64_t epoch, Told told);
  void on_frame(Bytes frame) override;
  void on_lost() override;
  base::Status connect() override;
  void disconnect() override;
  bool send(base::ByteView frame) override;

  void observed(std::shared_ptr<const link::BrokerObservation> observation);
  void step();
  void schedule_cordon();
  void cordon();

  Scheduler& scheduler_;
  Network& network_;
  base::Prng prng_;
  std::unique_ptr<link::LinkSession> session_;
  std::optional<Network::LinkId> link_;
  std::shared_ptr<const link::BrokerObservation> seen_;
  std::string complaint_;
  std::uint64_t epoch_ = 1;
  std::uint64_t answered_epoch_ = 0;
  std::uint64_t steps_ = 0;
  bool connected_ = false;
  bool calm_ = false;
  std::shared_ptr<bool> alive_;
};

}  // namespace sluice::sim
