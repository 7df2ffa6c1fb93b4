#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "kube/api.h"
#include "operator/scaler/target_view.h"

namespace sluice::op {

// Who else scales things in a namespace: HorizontalPodAutoscalers, and ScaledObjects of KEDA where
// that is installed. Asked at most once in kRefresh for each namespace; any thread.
class Rivals {
 public:
  static constexpr base::Millis kRefresh{30'000};
  // A cluster that has no ScaledObjects may get some.
  static constexpr base::Millis kAbsentRefresh{300'000};

  explicit Rivals(kube::Api& api) : api_(api) {}

  // "HorizontalPodAutoscaler orders"; none = nobody scales the target. Where the operator may not
  // look, nobody does. The error is the API server's, and says nothing about rivals.
  base::Result<std::optional<std::string>> of(const TargetRef& target, base::MonoTime now);

  // Nothing is scaled there any more.
  void forget(const std::string& name_space);
  // Namespaces that something is known of, once for each type.
  std::size_t size() const;

 private:
  struct Rival {
    std::string name;  // with its kind
    std::string group;
    std::string target_kind;
    std::string target_name;
  };
  struct Listing {
    std::optional<base::MonoTime> read_at;
    bool absent = false;
    std::vector<Rival> rivals;
  };

  base::Status refresh(const kube::ResourceType& type, const std::string& name_space,
                       base::MonoTime now, Listing& listing);

  kube::Api& api_;
  mutable std::mutex mutex_;  // guards listings_, also while the API server is asked
  std::map<std::pair<std::string, const kube::ResourceType*>, Listing> listings_;
};

}  // namespace sluice::op
