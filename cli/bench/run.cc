#include "cli/bench/run.h"

#include <algorithm>
#include <limits>
#include <memory>

#include "cli/bench/broker_process.h"
#include "cli/bench/temporary_folder.h"
#include "cli/bench/workers.h"
#include "cli/context.h"
#include "cli/progress_bar.h"

namespace sluice::cli::bench {
namespace {

// Puts the messages of --waiting into their queue, and leaves them there.
base::Status fill_waiting_queue(const Options& options, BrokerProcess& broker) {
  const Workers::Load load{.queue = kWaitingQueue,
                           .messages = options.waiting,
                           .consumers = 0,
                           .rate = 0,
                           .keys_folder = broker.keys_folder()};
  ASSIGN_OR_RETURN(const auto workers, Workers::create(options, load, broker.endpoint()));
  RETURN_IF_ERROR(workers->start_producers());
  ProgressBar progress("putting messages to wait", options.waiting);
  workers->go();
  const auto turn = [&] {
    progress.show(workers->stored());
    return broker.check();
  };
  RETURN_IF_ERROR(workers->wait_until_published(turn));
  return workers->finish(turn);
}

base::Status drive(const Options& options, BrokerProcess& broker, Workers& workers) {
  RETURN_IF_ERROR(workers.start_producers());
  if (!options.drain) RETURN_IF_ERROR(workers.start_consumers());
  workers.go();
  {
    ProgressBar progress(options.drain ? "published" : "settled", options.messages);
    const auto turn = [&] {
      progress.show(options.drain ? workers.stored() : workers.settled());
      return broker.check();
    };
    RETURN_IF_ERROR(workers.wait_until_published(turn));
  }
  ProgressBar progress("settled", options.messages);
  const auto turn = [&] {
    progress.show(workers.settled());
    return broker.check();
  };
  if (options.drain) RETURN_IF_ERROR(workers.start_consumers());
  RETURN_IF_ERROR(workers.wait_until_settled(turn));
  return workers.finish(turn);
}

struct Span {
  std::int64_t begin = std::numeric_limits<std::int64_t>::max();
  std::int64_t end = 0;

  // Workers that have sent or taken nothing have no times.
  void add(const WorkerState& worker) {
    if (worker.begin_ns != 0) begin = std::min<std::int64_t>(begin, worker.begin_ns);
    end = std::max<std::int64_t>(end, worker.end_ns);
  }
};

double seconds(std::int64_t begin, std::int64_t end) {
  return end > begin ? static_cast<double>(end - begin) / 1e9 : 0;
}

void collect(const Workers& workers, Report& report) {
  Span published;
  Span consumed;
  for (std::uint32_t i = 0; i < workers.producers(); ++i) {
    const WorkerState& one = workers.producer(i);
    published.add(one);
    report.refused += one.refused;
    report.publish_ack.merge(one.latency);
  }
  for (std::uint32_t i = 0; i < workers.consumers(); ++i) {
    const WorkerState& one = workers.consumer(i);
    consumed.add(one);
    report.duplicated += one.duplicated;
    report.foreign += one.foreign;
    report.end_to_end.merge(one.latency);
  }
  report.stored = workers.stored();
  report.settled = workers.settled();
  const std::uint64_t received = workers.received();
  report.lost = report.stored > received ? report.stored - received : 0;
  report.publish_seconds = seconds(published.begin, published.end);
  report.consume_seconds = seconds(consumed.begin, consumed.end);
  report.end_to_end_seconds = seconds(published.begin, consumed.end);
}

}  // namespace

base::Result<Report> run_bench(const Options& options) {
  ASSIGN_OR_RETURN(const auto folder, TemporaryFolder::create(options.data));
  if (folder->in_memory() && options.fsync == "Always") {
    print_note("warning: " + folder->path() + " is in memory, where a sync costs nothing; " +
               "--data names a folder on a disk");
  }
  ASSIGN_OR_RETURN(const auto broker, BrokerProcess::start(options, folder->path()));
  Report report;
  report.rss_idle_bytes = broker->usage().rss_bytes;
  if (options.waiting > 0) {
    RETURN_IF_ERROR(fill_waiting_queue(options, *broker));
    report.rss_waiting_bytes = broker->usage().rss_bytes;
  }
  RETURN_IF_ERROR(broker->wait_for_rest());
  const Workers::Load load{.queue = kQueue,
                           .messages = options.messages,
                           .consumers = options.consumers,
                           .rate = options.rate,
                           .keys_folder = broker->keys_folder()};
  ASSIGN_OR_RETURN(const auto workers, Workers::create(options, load, broker->endpoint()));
  const double cpu_before = broker->usage().cpu_seconds;
  RETURN_IF_ERROR(drive(options, *broker, *workers));
  const ProcessUsage usage = broker->usage();
  report.rss_bytes = usage.rss_bytes;
  report.rss_peak_bytes = usage.rss_peak_bytes;
  report.cpu_seconds = usage.cpu_seconds - cpu_before;
  collect(*workers, report);
  return report;
}

}  // namespace sluice::cli::bench
