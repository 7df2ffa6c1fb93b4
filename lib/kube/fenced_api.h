#pragma once

#include <string_view>

#include "kube/api.h"

namespace sluice::kube {

// Whether this process may change the cluster now.
class WriteGate {
 public:
  virtual ~WriteGate() = default;
  // FailedPrecondition: not now. Any thread.
  virtual base::Status may_write() const = 0;
};

// Lets everybody read, and only who leads write: no write begins without the lease, nor in the last
// seconds of it. HttpApiSeams::may_write asks the same before a call is sent again. A write that
// has begun can still be late, so where two leaders could do harm the call carries a precondition
// besides. `api` and `gate` must outlive it.
class FencedApi final : public Api {
 public:
  FencedApi(Api& api, const WriteGate& gate) : api_(api), gate_(gate) {}

  base::Result<Json> get(const ObjectRef& ref) override;
  base::Result<Json> list(const ResourceType& type, std::string_view name_space,
                          const Selectors& selectors) override;
  base::Result<Json> create(const Json& object) override;
  base::Result<Json> apply(const Json& object, std::string_view field_manager) override;
  base::Result<Json> apply_status(const Json& object, std::string_view field_manager) override;
  base::Result<Json> merge_patch(const ObjectRef& ref, const Json& patch,
                                 std::string_view subresource) override;
  base::Result<Json> update(const Json& object, std::string_view subresource) override;
  base::Status remove(const ObjectRef& ref, const Preconditions& preconditions,
                      Propagation propagation) override;

 private:
  Api& api_;
  const WriteGate& gate_;
};

}  // namespace sluice::kube
