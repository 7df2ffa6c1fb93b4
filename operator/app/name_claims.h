#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <string>

namespace sluice::op {

// Who is about to make which object. Objects of two brokers can have one name: "orders" has a
// Service "orders-shards", as a broker of that name has. Both are worked on at the same time, so a
// name is claimed before it is asked for, until the plan that takes it is carried out. Any thread.
class NameClaims {
 public:
  // False where another broker has claimed it.
  bool claim(const std::string& object, const std::string& broker);
  // All of the broker's.
  void release(const std::string& broker);
  std::size_t size() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::string> brokers_;  // by object
};

// Releases a broker's claims at its end.
class ClaimScope {
 public:
  ClaimScope(NameClaims& claims, const std::string& broker) : claims_(claims), broker_(broker) {}
  ~ClaimScope() { claims_.release(broker_); }
  ClaimScope(const ClaimScope&) = delete;
  ClaimScope& operator=(const ClaimScope&) = delete;

 private:
  NameClaims& claims_;
  const std::string& broker_;
};

}  // namespace sluice::op
