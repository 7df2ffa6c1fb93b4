#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/message.h"
#include "client/publisher.h"
#include "tests/unit/client/fake_transport.h"

namespace sluice::client {

inline base::Message keyed(std::string key, std::string body = "b") {
  base::Message message;
  message.key = std::move(key);
  message.body = std::move(body);
  return message;
}

// A publisher to the queue `orders` of a broker in memory, and what it said of its batches.
class PublisherFixture : public testing::Test {
 protected:
  ~PublisherFixture() override { publisher_.reset(); }

  base::Status open(PublisherOptions options = {}) {
    auto transport = std::make_unique<FakeTransport>(broker_);
    transport_ = transport.get();
    ASSIGN_OR_RETURN(connection_, Connection::open({}, std::move(transport)));
    if (options.queue.empty()) options.queue = "orders";
    options.on_outcome = [this](const BatchOutcome& outcome) { outcomes_.push_back(outcome); };
    ASSIGN_OR_RETURN(publisher_, Publisher::open(*connection_, std::move(options)));
    return {};
  }

  FakeBroker broker_;
  FakeTransport* transport_ = nullptr;
  std::vector<BatchOutcome> outcomes_;
  std::unique_ptr<Connection> connection_;
  std::unique_ptr<Publisher> publisher_;
};

}  // namespace sluice::client
