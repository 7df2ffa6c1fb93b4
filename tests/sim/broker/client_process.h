#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/prng.h"
#include "client/connection.h"
#include "client/transport.h"
#include "tests/sim/broker/network.h"
#include "tests/sim/broker/scheduler.h"
#include "tests/sim/fiber.h"

namespace sluice::sim {

// A client's process: code that uses the real client library as any program would, blocking calls
// and all, on a fiber of its own. When it is killed its network is gone at once, nothing that it
// sends leaves, and its clock runs away, so that whatever it waits for ends; it is to return then.
class ClientProcess {
 public:
  using Body = std::function<void(ClientProcess&)>;

  // It comes with that key.
  ClientProcess(Scheduler& scheduler, Network& network, std::string name, std::string key,
                std::uint64_t seed, Body body);
  ~ClientProcess();
  ClientProcess(const ClientProcess&) = delete;
  ClientProcess& operator=(const ClientProcess&) = delete;

  const std::string& name() const { return name_; }
  bool ended() const { return fiber_->done(); }
  void kill();
  // Does nothing until then.
  void pause_until(base::MonoTime until);
  // The process is asked to come to its end in order.
  void ask_to_stop() { stop_asked_ = true; }

  // --- For the body, on its fiber.
  bool killed() const { return killed_; }
  // It is to finish: killed, or asked.
  bool stopping() const { return killed_ || stop_asked_; }
  base::Prng& prng() { return prng_; }
  base::MonoTime now() const;
  void rest(base::Nanos time);
  // One that says nothing before it is open; nullptr where there was none within a
  // minute.
  std::unique_ptr<client::Connection> connect();

 private:
  friend class SimTransport;

  // Gives the thread back until wake() or then.
  void wait_until(base::MonoTime until);
  void wake();
  void resume();

  Scheduler& scheduler_;
  Network& network_;
  std::string name_;
  const std::string key_;
  base::Prng prng_;
  std::unique_ptr<Fiber> fiber_;
  std::shared_ptr<bool> alive_;
  std::int64_t run_away_ns_ = 0;  // of a killed one's clock
  std::uint64_t waits_ = 0;
  bool waiting_ = false;
  bool killed_ = false;
  bool stop_asked_ = false;
  base::MonoTime paused_until_;
};

// The network under a client's connection.
class SimTransport final : public client::Transport, private ClientEnd {
 public:
  explicit SimTransport(ClientProcess& process) : process_(process) {}
  ~SimTransport() override;

  base::MonoTime now() const override { return process_.now(); }
  base::Status connect(std::size_t turn) override;
  bool send(base::ByteView frame) override;
  bool send(std::shared_ptr<client::OutboundBuffer> frame) override { return send(frame->view()); }
  std::optional<client::InboundFrame> receive() override;
  Event wait(base::Nanos timeout) override;
  void interrupt() override { interrupted_ = true; }

 private:
  void on_frame(Bytes frame) override;
  void on_lost() override;

  ClientProcess& process_;
  std::optional<Network::LinkId> link_;
  std::deque<Bytes> inbox_;
  bool lost_ = false;
  bool interrupted_ = false;
};

}  // namespace sluice::sim
