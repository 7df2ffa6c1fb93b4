#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "operator/link/broker_link.h"
#include "operator/reconcile/inputs.h"
#include "operator/reconcile/rate_meter.h"
#include "runtime/clock.h"

namespace sluice::op {

struct LinkHooks {
  // Something changed for this broker: at once where a plan depends on it (connection,
  // configuration, version, keys), else within seconds (numbers).
  std::function<void(const std::string& key, bool at_once)> on_news;
  // A broker knows this epoch.
  std::function<void(std::uint64_t epoch)> on_epoch;
  // Every observation; may be empty.
  std::function<void(const std::string& key, std::size_t shard,
                     const std::shared_ptr<const link::BrokerObservation>&)>
      on_observation;
};

// The links to all shards of all brokers, and what was heard over them. Hooks are called on the
// links' thread, without a lock. Any thread.
class LinkBook {
 public:
  static constexpr base::Millis kCallTimeout{10'000};

  // Both must outlive it.
  LinkBook(link::BrokerLinks& links, const runtime::Clock& clock, LinkHooks hooks);
  // Closes all links.
  ~LinkBook();
  LinkBook(const LinkBook&) = delete;
  LinkBook& operator=(const LinkBook&) = delete;

  // These are the broker's shards, by index; an empty endpoint = not to be reached now. Links to
  // other addresses are closed, what was heard is kept.
  void follow(const std::string& key, const std::vector<link::LinkAddress>& addresses);
  void forget(const std::string& key);

  std::vector<reconcile::ShardState> shards(const std::string& key) const;
  std::map<std::string, reconcile::Rates> rates(const std::string& key) const;
  struct Counts {
    std::size_t connected = 0;
    std::size_t waiting = 0;
  };
  Counts counts() const;
  // Brokers that are followed.
  std::size_t size() const;

  // Both wait for the broker's answer. A refused manifest is kept in shards() and is no error.
  base::Status configure(const std::string& key, std::size_t shard, std::uint64_t epoch,
                         const std::string& queue, const std::string& manifest);
  base::Status remove_queue(const std::string& key, std::size_t shard, std::uint64_t epoch,
                            const std::string& queue, link::RemoveMode mode);

  // Of a shard, for whoever makes calls of its own; null = there is none now.
  std::shared_ptr<link::BrokerLink> link(const std::string& key, std::size_t shard) const;

 private:
  // What callbacks hold in place of the book: those that come late find nobody.
  struct Life {
    std::mutex mutex;
    LinkBook* book = nullptr;
  };
  struct Shard {
    link::LinkAddress address;
    std::uint64_t turn = 0;  // of links to this shard: callbacks of older ones are late
    std::shared_ptr<link::BrokerLink> link;
    reconcile::ShardState state;
  };
  struct Broker {
    std::vector<Shard> shards;
    reconcile::RateMeter meter;
  };

  void open(const std::string& key, std::size_t index, std::uint64_t turn,
            const link::LinkAddress& address);
  void observed(const std::string& key, std::size_t index, std::uint64_t turn,
                const std::shared_ptr<const link::BrokerObservation>& observation);
  void status_changed(const std::string& key, std::size_t index, std::uint64_t turn,
                      const link::LinkStatus& status);
  // With the lock held; null = gone, or another turn.
  Shard* find(const std::string& key, std::size_t index, std::uint64_t turn);

  link::BrokerLinks& links_;
  const runtime::Clock& clock_;
  LinkHooks hooks_;
  std::shared_ptr<Life> life_;
  mutable std::mutex mutex_;  // guards what follows
  std::map<std::string, Broker> brokers_;
  std::uint64_t turns_ = 0;
};

}  // namespace sluice::op
