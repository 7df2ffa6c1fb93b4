#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/cluster/tar_gz.h"
#include "kube/api.h"

namespace sluice::cli::cluster {

struct BundleOptions {
  std::string name_space;
  std::string queue;               // empty = all of the namespace
  std::string operator_namespace;  // empty = wherever its pods are, if they may be listed
  std::size_t log_lines = 5'000;   // the last ones of each container
};

// Where a bundle comes from. All that is read is what the caller may read.
struct BundleSource {
  kube::Api& api;
  // What the API server has at a path: logs, pages of pods.
  std::function<base::Result<std::string>(const std::string& path)> text;
  // The statistics of the broker of this Queue, from the broker itself.
  std::function<base::Result<std::string>(const std::string& queue)> statistics;
  // Told what is being read, for whoever waits.
  std::function<void(const std::string& what)> progress;
};

// What somebody needs who was not there: Queues, the objects of their brokers (Secrets without
// values), the targets that they scale, events, statistics, metrics and logs of brokers and
// operator. What could not be read is told in the file `problems.txt`; NotFound only where there is
// no such Queue. Everything is redacted.
base::Result<std::vector<ArchiveFile>> collect_bundle(const BundleOptions& options,
                                                      const BundleSource& source);

}  // namespace sluice::cli::cluster
