#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"
#include "operator/autoscale/scale_in_world.h"

namespace sluice::autoscale {

// A call to a broker: nothing new for the consumers of this pod, or (lease 0) again.
struct CordonCall {
  std::string broker;
  std::string pod;
  base::Millis lease{0};
  base::MonoTime sent_at;

  bool operator==(const CordonCall&) const = default;
};

// A cordon ends by itself when nobody renews it: also when the operator dies.
inline constexpr base::Millis kCordonLease{30'000};
inline constexpr base::Millis kCordonRenewal{10'000};
inline constexpr base::Millis kCordonRetry{1'000};       // after a refusal
inline constexpr base::Millis kCordonUnanswered{5'000};  // then it is sent again
// A cordon that ends sooner is not relied on: the write that lowers the scale takes its time, above
// all where the API server asks to wait. One that is renewed in time always has more left.
inline constexpr base::Millis kCordonMargin{15'000};

// The cordons of one target's pods at all brokers: what was asked, what holds, what is left. One
// thread.
class Cordons {
 public:
  // Calls that make the cordon of this pod hold, and go on holding, at every known broker.
  void keep(const std::string& pod, std::span<const BrokerView> views, base::MonoTime now,
            std::vector<CordonCall>& calls);
  // Calls that lift it: where it was asked for, and where a broker says that it holds (somebody
  // before us asked).
  void lift(const std::string& pod, std::span<const BrokerView> views, base::MonoTime now,
            std::vector<CordonCall>& calls);
  void forget(const std::string& pod);

  // The answer to a call. The shell posts it when it comes.
  void answered(const CordonCall& call, std::uint64_t in_flight, base::MonoTime now);
  void refused(const CordonCall& call, base::MonoTime now);

  // Whether the pod surely holds nothing and gets nothing for a while: every broker is known, its
  // cordon holds for kCordonMargin, and it said after it began to hold that nothing is in flight.
  bool is_drained(const std::string& pod, std::span<const BrokerView> views,
                  base::MonoTime now) const;
  // When keep() has something to do next.
  std::optional<base::Millis> renewal_in(base::MonoTime now) const;

 private:
  struct Cordon {
    base::MonoTime send_at;  // the next call
    std::optional<base::MonoTime> answered_at;
    base::MonoTime holds_until;
    std::uint32_t incarnation = 0;  // of the broker when it was asked; another one has forgotten it
    std::uint64_t in_flight = 0;    // by the last answer
    base::MonoTime first_answer;    // since when it holds without a gap
  };
  struct Lift {
    base::MonoTime again_at;
  };
  using Key = std::pair<std::string, std::string>;  // pod, broker

  std::map<Key, Cordon> cordons_;
  std::map<Key, Lift> lifted_;
};

}  // namespace sluice::autoscale
