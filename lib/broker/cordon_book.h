#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace sluice::broker {

// The pod of a consumer's name, as in its hello: what stands before the first '/'.
std::string_view pod_of(std::string_view client);

// Which pods get nothing new, and until when. Of this process only: a leader that wants a pod
// cordoned says so again and again. Loop thread only; the clock is an argument.
class CordonBook {
 public:
  // More than any cluster has pods of one broker's consumers.
  static constexpr std::size_t kCordonsMax = 10'000;

  // False = there are too many. A pod that is cordoned stays so until the new time.
  bool set(std::string_view pod, base::MonoTime until);
  // False = it was not cordoned.
  bool lift(std::string_view pod);
  // Whether a consumer of this name gets nothing new.
  bool covers(std::string_view client) const {
    return !cordons_.empty() && cordons_.find(pod_of(client)) != cordons_.end();
  }
  bool empty() const { return cordons_.empty(); }

  std::optional<base::MonoTime> earliest() const;
  // Pods whose time is over at `now`; they are forgotten.
  std::vector<std::string> expire(base::MonoTime now);

 private:
  std::map<std::string, base::MonoTime, std::less<>> cordons_;
};

}  // namespace sluice::broker
