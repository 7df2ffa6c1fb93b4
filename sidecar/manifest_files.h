#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "operator/api/queue.h"

namespace sluice::sidecar {

// A Queue and where it stands, for messages about it.
struct LoadedQueue {
  std::string file;
  api::Queue queue;
  std::uint64_t revision = 0;  // wire::manifest_revision of the file; 0 = it has several queues

  // "orders.yaml:3"
  std::string place() const;
};

// Reads Queue manifests: files, and of folders all *.yaml, *.yml and *.json in the order of their
// names. All or nothing: the error is of several lines where several things are wrong, each
// beginning with "file:line: ". NotFound where a path does not exist; InvalidArgument for what the
// manifests say, also where two files have a queue of the same name.
base::Result<std::vector<LoadedQueue>> load_manifests(const std::vector<std::string>& paths);

}  // namespace sluice::sidecar
