#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace sluice::broker {

// When each of many owners wants to be looked at next; one entry an owner. Owners have a number()
// that breaks ties, so that the order never depends on addresses. Owners must be removed before
// they die.
template <typename Time, typename Owner>
class Agenda {
 public:
  // nullopt = not at all.
  void set(Owner& owner, std::optional<Time> time) {
    const auto known = entries_.find(owner.number());
    if (known != entries_.end()) {
      if (time && known->second.first == *time) return;
      order_.erase({known->second.first, owner.number()});
      entries_.erase(known);
    }
    if (!time) return;
    entries_.emplace(owner.number(), std::pair(*time, &owner));
    order_.emplace(*time, owner.number());
  }

  std::optional<Time> earliest() const {
    if (order_.empty()) return std::nullopt;
    return order_.begin()->first;
  }

  // The first owner whose time has come; it stays until its entry is set anew.
  Owner* due(Time now) const {
    if (order_.empty() || now < order_.begin()->first) return nullptr;
    return entries_.at(order_.begin()->second).second;
  }

  bool empty() const { return order_.empty(); }

 private:
  std::map<std::uint64_t, std::pair<Time, Owner*>> entries_;
  std::set<std::pair<Time, std::uint64_t>> order_;
};

}  // namespace sluice::broker
