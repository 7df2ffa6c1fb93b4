#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "broker/command.h"
#include "broker/config.h"

namespace sluice::frontend {

// The broker as frames see it. Loop thread only.
class Commands {
 public:
  virtual ~Commands() = default;
  virtual void apply(base::Now now, const broker::OpenSession& command) = 0;
  virtual void apply(base::Now now, const broker::SessionGone& command) = 0;
  virtual void apply(base::Now now, const broker::OpenPublisher& command) = 0;
  virtual void apply(base::Now now, const broker::Publish& command) = 0;
  virtual void apply(base::Now now, const broker::PublishChunk& command) = 0;
  virtual void apply(base::Now now, const broker::Attach& command) = 0;
  virtual void apply(base::Now now, const broker::ChunksSent& command) = 0;
  virtual void apply(base::Now now, const broker::Detach& command) = 0;
  virtual void apply(base::Now now, const broker::Credit& command) = 0;
  virtual void apply(base::Now now, const broker::Settle& command) = 0;
  virtual void apply(base::Now now, const broker::Extend& command) = 0;
  virtual void apply(base::Now now, const broker::DeleteQueue& command) = 0;
  virtual void apply(base::Now now, const broker::Seek& command) = 0;
  virtual void apply(base::Now now, const broker::Cordon& command) = 0;
  virtual void apply(base::Now now, const broker::DiscardDamaged& command) = 0;
  virtual void apply(base::Now now, const broker::StartTask& command) = 0;
  virtual void apply(base::Now now, const broker::CancelTask& command) = 0;
  virtual void apply(base::Now now, const broker::Peek& command) = 0;
  // Deliveries have left; for a broker that bounds what has not.
  virtual void deliveries_left(base::Now now, const broker::DeliveriesLeft& command) {
    static_cast<void>(now);
    static_cast<void>(command);
  }
  virtual std::optional<base::QueueId> find_queue(std::string_view name) const = 0;
  // The queue of a task that runs.
  virtual std::optional<base::QueueId> find_task(const base::TaskId& task) const = 0;
  virtual const broker::QueueConfig* config(const base::QueueId& queue) const = 0;
  // Feature level of the log.
  virtual std::uint32_t feature_level() const = 0;
  // Rises whenever something may have changed that who watches is told of.
  virtual std::uint64_t changes() const = 0;
  // False while a queue that was removed comes back after a loss of power.
  virtual bool removals_durable() const = 0;
  // The end of the log: what was decided so far stands before it, and will be synced, also where no
  // queue asks for that.
  virtual base::Lsn sync_appended() = 0;
};

}  // namespace sluice::frontend
