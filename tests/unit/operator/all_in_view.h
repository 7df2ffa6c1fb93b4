#pragma once

#include <utility>
#include <vector>

#include "operator/app/cluster_view.h"
#include "tests/support/fake_api_server.h"

namespace sluice::op {

// All watches bring what there is.
inline void bring_all(const test::FakeApiServer& api, ClusterView& view) {
  for (const kube::ResourceType* type : ClusterView::types()) {
    std::vector<kube::Json> objects;
    for (const kube::Json* object : api.all(*type)) objects.push_back(*object);
    view.cache(*type).replace(std::move(objects));
  }
}

}  // namespace sluice::op
