#include "client/delivered_batch.h"

#include <utility>

namespace sluice::client {

DeliveredBatch::DeliveredBatch(InboundFrame frame, wire::Deliver deliver, base::ShardIndex shard,
                               base::MonoTime received_at)
    : frame_(std::move(frame)),
      deliver_(std::move(deliver)),
      shard_(shard),
      received_at_(received_at) {}

base::Result<DeliveredBatch> DeliveredBatch::from(InboundFrame frame, wire::Deliver deliver,
                                                  base::ShardIndex shard,
                                                  base::MonoTime received_at) {
  DeliveredBatch batch(std::move(frame), std::move(deliver), shard, received_at);
  base::ByteView entries = batch.deliver_.entries;
  for (const wire::DeliverRun& run : batch.deliver_.runs) {
    if (run.entries_bytes > entries.size()) {
      return base::invalid_argument("DELIVER: the runs have more entries than the frame");
    }
    const base::ByteView mine = entries.first(run.entries_bytes);
    // Where messages do not touch, each is a run.
    if (run.count == 1 && base::is_batch_of_one(mine)) {
      entries = entries.subspan(run.entries_bytes);
      ++batch.count_;
      continue;
    }
    const bool large = run.count == 1 && mine.size() > base::kBatchEntriesBytesMax;
    ASSIGN_OR_RETURN(
        const base::BatchSummary summary,
        large ? base::summarize_large(mine, mine.size()) : base::summarize_batch(mine));
    if (summary.count != run.count) {
      return base::invalid_argument("DELIVER: a run has another count than its entries");
    }
    entries = entries.subspan(run.entries_bytes);
    batch.count_ += run.count;
  }
  return batch;
}

std::vector<Receipt> DeliveredBatch::receipts() const {
  std::vector<Receipt> receipts;
  receipts.reserve(deliver_.runs.size());
  for (const wire::DeliverRun& run : deliver_.runs) {
    const base::Sequence first(run.first);
    if (!receipts.empty() && receipts.back().range.last + 1 == first) {
      receipts.back().range.last += run.count;
    } else {
      receipts.push_back({shard_, epoch(), {first, first + (run.count - 1)}});
    }
  }
  return receipts;
}

DeliveredBatch::Iterator::Iterator(const DeliveredBatch& batch)
    : batch_(&batch), left_(batch.count_), entries_(batch.deliver_.entries) {
  delivery_.shard = batch.shard_;
  delivery_.epoch = batch.epoch();
  next_run();
}

void DeliveredBatch::Iterator::next_run() {
  if (run_ == batch_->deliver_.runs.size()) return;
  const wire::DeliverRun& run = batch_->deliver_.runs[run_++];
  left_in_run_ = run.count;
  delivery_.sequence = base::Sequence(run.first);
  delivery_.attempts = run.attempts;
  delivery_.stalls = run.stalls;
  delivery_.accepted_at = base::WallTime(run.accepted_at_ms);
  delivery_.message = base::take_entry(entries_);
}

}  // namespace sluice::client
