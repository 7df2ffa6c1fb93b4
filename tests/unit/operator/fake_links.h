#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "operator/link/broker_link.h"

namespace sluice::op {

// Links whose other end is the test: it says what is heard, and sees what was asked. One thread.
class FakeLinks final : public link::BrokerLinks {
 public:
  struct Call {
    std::string endpoint;
    std::string what;  // "configure", "remove_queue"
    std::uint64_t epoch = 0;
    std::string text;  // the manifest, or the queue
  };

  std::unique_ptr<link::BrokerLink> open(const link::LinkAddress& address,
                                         link::LinkEvents events) override {
    opened.push_back(address.endpoint);
    live[address.endpoint] = events;
    if (events.status_changed) events.status_changed({false, "connecting"});
    return std::make_unique<Link>(*this, address.endpoint);
  }

  void connect(const std::string& endpoint) { live.at(endpoint).status_changed({true, ""}); }
  void observe(const std::string& endpoint, link::BrokerObservation observation) {
    live.at(endpoint).observed(
        std::make_shared<const link::BrokerObservation>(std::move(observation)));
  }

  std::map<std::string, link::LinkEvents> live;
  std::vector<std::string> opened;
  std::vector<Call> calls;
  // What configure() is answered with.
  std::function<base::Status(const std::string& manifest)> answer = [](const std::string&) {
    return base::Status();
  };

 private:
  class Link final : public link::BrokerLink {
   public:
    Link(FakeLinks& owner, std::string endpoint) : owner_(owner), endpoint_(std::move(endpoint)) {}
    ~Link() override { owner_.live.erase(endpoint_); }
    Link(const Link&) = delete;
    Link& operator=(const Link&) = delete;

    void configure(std::uint64_t epoch, std::string manifest,
                   std::function<void(base::Status)> done) override {
      owner_.calls.push_back({endpoint_, "configure", epoch, manifest});
      done(owner_.answer(manifest));
    }
    void remove_queue(std::uint64_t epoch, std::string queue, link::RemoveMode,
                      std::function<void(base::Result<link::QueueRemoval>)> done) override {
      owner_.calls.push_back({endpoint_, "remove_queue", epoch, queue});
      done(link::QueueRemoval{.removed = true});
    }
    void cordon(std::uint64_t, std::string, base::Millis,
                std::function<void(base::Result<std::uint64_t>)> done) override {
      done(std::uint64_t{0});
    }

   private:
    FakeLinks& owner_;
    std::string endpoint_;
  };
};

}  // namespace sluice::op
