#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/prng.h"
#include "base/result.h"
#include "cli/line_ledger.h"
#include "cli/message_flags.h"
#include "cli/output.h"
#include "client/publisher.h"
#include "runtime/posix/system_clock.h"

namespace sluice::cli {

struct PublishOptions {
  std::string queue;
  bool lines = false;  // else `files`, else `body`
  std::vector<std::string> files;
  std::string body;
  bool json = false;
};

// One `sluice pub`: reads the input, keeps many batches under way, and tells of each message what
// became of it. Memory is bounded by what the publisher may have in flight. One thread.
class PublishRun {
 public:
  PublishRun(client::Connection& connection, const PublishOptions& options, MessagePattern pattern);

  // Returns when every message that was taken has its answer. Fails where none is to be had;
  // refusals are counted, printed with their lines, and do not stop the rest.
  base::Status run();

  std::uint64_t stored() const { return stored_; }
  std::uint64_t refused() const { return refused_; }  // by the broker: later may help
  std::uint64_t wrong() const { return wrong_; }      // can never be right, as too large ones

 private:
  struct Refusal {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    wire::Code code = wire::Code::kNone;
    std::string message;
  };

  base::Status publish_input();
  base::Status publish_lines();
  base::Status publish_files();
  base::Status wait_for_input();
  base::Status add(std::string_view body);
  base::Status hand_over(std::string_view body);
  base::Status serve(base::Millis timeout);
  base::Status drain();
  base::Status check_connection();
  void on_outcome(const client::BatchOutcome& outcome);
  void note_refused(std::uint64_t first, std::uint64_t last, const client::BatchOutcome& outcome);
  void print_refusal();
  std::string place(std::uint64_t first, std::uint64_t last) const;

  client::Connection& connection_;
  const PublishOptions& options_;
  MessagePattern pattern_;
  bool bare_;
  std::size_t pattern_bytes_ = 0;  // of an entry without its body
  runtime::SystemClock clock_;
  base::Prng prng_;  // of the spread
  Output output_;
  std::unique_ptr<client::Publisher> publisher_;
  // Messages without a key go round robin over the shards, and answers of different shards come in
  // any order. Then only one batch is under way, so that each answer has its lines.
  bool one_batch_at_a_time_ = false;
  std::size_t batch_fill_ = 0;

  LineLedger ledger_;
  std::uint64_t line_ = 0;
  std::uint64_t stored_ = 0;
  std::uint64_t refused_ = 0;
  std::uint64_t wrong_ = 0;
  base::MonoTime refusal_due_{};
  std::optional<Refusal> refusal_;  // not printed yet, because neighbours are told together
  std::optional<base::MonoTime> lost_since_;
};

}  // namespace sluice::cli
