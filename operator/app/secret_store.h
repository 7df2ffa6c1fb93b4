#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "kube/api.h"
#include "kube/cache.h"

namespace sluice::op {

// The Secrets of brokers, read by their names when they are first needed, again every ten minutes,
// and whenever what is known of them turned out to be wrong. What our own writes gave back counts
// as read. Any thread; a broker is asked for by one at a time.
class SecretStore {
 public:
  static constexpr base::Millis kReadAgain{600'000};

  explicit SecretStore(kube::Api& api) : api_(api) {}

  // Those that exist, of one broker.
  base::Result<std::vector<kube::ObjectPtr>> of_broker(const std::string& key, base::MonoTime now);
  // A write of ours gave this back, or removed it.
  void written(const std::string& key, const kube::Json& secret);
  void removed(const std::string& key, const std::string& name);
  // Read again at the next need.
  void forget(const std::string& key);
  // Brokers of which something is known.
  std::size_t size() const;

 private:
  struct Broker {
    std::map<std::string, kube::ObjectPtr> secrets;
    base::MonoTime read_at;
  };

  kube::Api& api_;
  mutable std::mutex mutex_;  // guards brokers_
  std::map<std::string, Broker> brokers_;
};

}  // namespace sluice::op
