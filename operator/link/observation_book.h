#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "operator/link/observation.h"
#include "wire/frame.h"

namespace sluice::link {

// Puts the pages that a broker sends together: what it told since the last reset(). A value without
// clock or I/O.
class ObservationBook {
 public:
  // More queues, subscriptions and consumers than any broker has. One that tells of more is not
  // listened to.
  static constexpr std::size_t kEntriesMax = 250'000;

  // A new watch has begun: its first observation is whole.
  void reset() { *this = ObservationBook(); }

  // The observation that this page completes; nullopt when others of it follow. InvalidArgument
  // for a page that makes no sense: nothing is to be trusted then.
  base::Result<std::optional<BrokerObservation>> take(const wire::Changes& page);

 private:
  struct Consumer {
    std::uint64_t in_flight = 0;
    bool cordoned = false;
  };
  struct Subscription {
    SubscriptionObservation numbers;  // without its name, its age and its consumers
    std::int64_t oldest_ms = 0;
    std::map<std::string, Consumer, std::less<>> consumers;
  };
  struct Queue {
    QueueObservation numbers;  // without its name and its subscriptions
    std::map<std::string, Subscription, std::less<>> subscriptions;
  };

  base::Status apply(const wire::QueueChange& change);
  base::Status apply(const wire::SubscriptionChange& change);
  base::Status apply(const wire::ConsumerChange& change);
  base::Status apply(const wire::GoneChange& change);
  std::size_t entries() const;
  BrokerObservation observation(const wire::Changes& page) const;

  std::map<std::string, Queue, std::less<>> queues_;
  // What the next changes of the page belong to.
  Queue* queue_ = nullptr;
  Subscription* subscription_ = nullptr;
};

}  // namespace sluice::link
