#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "cli/output.h"
#include "cli/shell_job.h"
#include "client/consumer.h"

namespace sluice::cli {

enum class SettleMode : std::uint8_t { kAck, kRelease, kFail, kReject, kNone };

struct SubscribeOptions {
  std::string queue;
  std::string subscription;
  std::uint64_t max = 0;  // 0 = no end
  std::uint32_t prefetch = 0;
  SettleMode settle = SettleMode::kAck;
  std::string error;  // of fail and reject
  std::string exec;   // instead of printing
  bool json = false;
  bool at_most_once = false;
  std::optional<base::Millis> idle_exit;
  // How long the command on the message in hand may go on after a stop signal.
  base::Millis grace{25'000};
};

// One `sluice sub`: leases messages, hands each to standard output or to a command, settles it.
// What was not started when a stop signal comes goes back uncounted. One thread.
class SubscribeRun {
 public:
  SubscribeRun(client::Connection& connection, const SubscribeOptions& options);

  // Returns when `max` messages were handed on, nothing came for `idle_exit`, the reader of
  // standard output has gone, or a stop signal came; all settles are then confirmed, but for
  // unconfirmed().
  base::Status run();

  std::uint64_t handed_on() const { return handed_on_; }
  std::uint64_t failed_jobs() const { return failed_jobs_; }
  // Messages that were handed on, and whose settle was thrown away with a session that was lost:
  // most come again.
  std::uint64_t unconfirmed() const { return unconfirmed_; }

 private:
  bool has_enough() const;
  base::Status take_until_enough();
  base::Status print(const client::DeliveredBatch& batch);
  base::Status execute(const client::DeliveredBatch& batch);
  void append_json(const client::Delivery& delivery);
  void settle(const client::DeliveredBatch& batch, std::uint64_t count);
  void settle(const client::Receipt& receipt);
  void settle_job(const client::Delivery& delivery, const ShellJobResult& result);
  bool is_out_of_time();
  // To be called now and then while something takes long: the session and all leases live on.
  void keep_alive();

  client::Connection& connection_;
  const SubscribeOptions& options_;
  Output output_;
  std::unique_ptr<client::Consumer> consumer_;
  std::uint64_t handed_on_ = 0;
  std::uint64_t failed_jobs_ = 0;
  std::uint64_t unconfirmed_ = 0;
  base::Nanos lease_{0};
  base::MonoTime extended_at_;
  std::optional<base::MonoTime> stopped_at_;  // when the stop signal was seen
  // Many messages of a batch were accepted in the same millisecond.
  base::WallTime accepted_at_;
  std::string accepted_text_;
};

}  // namespace sluice::cli
