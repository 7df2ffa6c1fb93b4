#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/transport.h"
#include "tests/unit/client/fake_broker.h"

namespace sluice::client {

// A network that ends in a FakeBroker, with a clock that moves only when somebody waits. All in one
// thread, so that a test decides what happens when.
class FakeTransport final : public Transport {
 public:
  explicit FakeTransport(FakeBroker& broker) : broker_(broker) {}

  base::MonoTime now() const override { return now_; }
  base::Status connect(std::size_t turn) override;
  bool send(base::ByteView frame) override;
  bool send(std::shared_ptr<OutboundBuffer> frame) override { return send(frame->view()); }
  std::optional<InboundFrame> receive() override;
  Event wait(base::Nanos timeout) override;
  void interrupt() override { interrupted_ = true; }
  std::unique_ptr<Transport> peer(const std::string& endpoint) override {
    peers.push_back(endpoint);
    return std::make_unique<FakeTransport>(broker_);
  }

  // The connection breaks; frames under way to the client are lost.
  void cut();
  void advance(base::Nanos time) { now_ = now_ + time; }
  int connects() const { return connects_; }
  bool refuse_connections = false;
  std::size_t nobody_at_first = 0;  // the first so many turns
  std::vector<std::size_t> turns;   // of each connect()
  std::vector<std::string> peers;   // of each peer()

 private:
  void fetch();

  FakeBroker& broker_;
  base::MonoTime now_{1'000'000'000};
  int connects_ = 0;
  bool connected_ = false;
  bool lost_ = false;
  bool interrupted_ = false;
  int waits_in_vain_ = 0;  // without time, one after another
  std::deque<std::vector<std::byte>> inbox_;
};

}  // namespace sluice::client
