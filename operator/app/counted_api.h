#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

#include "kube/api.h"

namespace sluice::op {

// Ends the process at once, without any clean-up, when the N-th call has been answered: so a test
// finds out what is left behind between any two calls. 0 = never. `api` must outlive it.
class CountedApi final : public kube::Api {
 public:
  CountedApi(kube::Api& api, std::uint64_t exit_after) : api_(api), exit_after_(exit_after) {}

  base::Result<kube::Json> get(const kube::ObjectRef& ref) override;
  base::Result<kube::Json> list(const kube::ResourceType& type, std::string_view name_space,
                                const kube::Selectors& selectors) override;
  base::Result<kube::Json> create(const kube::Json& object) override;
  base::Result<kube::Json> apply(const kube::Json& object, std::string_view field_manager) override;
  base::Result<kube::Json> apply_status(const kube::Json& object,
                                        std::string_view field_manager) override;
  base::Result<kube::Json> merge_patch(const kube::ObjectRef& ref, const kube::Json& patch,
                                       std::string_view subresource) override;
  base::Result<kube::Json> update(const kube::Json& object, std::string_view subresource) override;
  base::Status remove(const kube::ObjectRef& ref, const kube::Preconditions& preconditions,
                      kube::Propagation propagation) override;

 private:
  template <typename T>
  T counted(T result);

  kube::Api& api_;
  std::uint64_t exit_after_;
  std::atomic<std::uint64_t> calls_{0};
};

}  // namespace sluice::op
