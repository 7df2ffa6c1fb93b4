#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "cli/bench/child_process.h"
#include "cli/bench/options.h"

namespace sluice::cli::bench {

// The Queues of a bench: one shard, limits that the load never meets.
std::string bench_manifest(const Options& options);

// A broker for one bench: `sluice-sidecar` beside this program, on free ports.
class BrokerProcess {
 public:
  // Returns when it is ready to serve; its data and its log lie in `folder`.
  static base::Result<std::unique_ptr<BrokerProcess>> start(const Options& options,
                                                            const std::string& folder);

  const std::string& endpoint() const { return endpoint_; }
  // Of a client; empty = plain text.
  const std::string& keys_folder() const { return keys_folder_; }
  ProcessUsage usage() const { return process_usage(process_->pid()); }
  // Unavailable, with the end of its log, when it runs no more.
  base::Status check();
  // Until it has used no processor for a moment, or ten seconds: what a start or a load before left
  // to do (files made ready for later, say) is not part of what is measured next.
  base::Status wait_for_rest();

 private:
  BrokerProcess(std::unique_ptr<ChildProcess> process, std::string log)
      : process_(std::move(process)), log_(std::move(log)) {}
  base::Status wait_until_ready();

  std::unique_ptr<ChildProcess> process_;
  std::string log_;
  std::string endpoint_;
  std::string keys_folder_;
};

}  // namespace sluice::cli::bench
