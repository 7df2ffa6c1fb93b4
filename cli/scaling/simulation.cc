#include "cli/scaling/simulation.h"

#include <algorithm>
#include <cmath>
#include <deque>

#include "operator/autoscale/history.h"

namespace sluice::cli::scaling {
namespace {

using autoscale::Backlog;

// Replicas that were asked for, and when they are ready.
class Fleet {
 public:
  Fleet(std::uint32_t replicas, base::Millis start_delay)
      : delay_(start_delay), ready_(replicas), wanted_(replicas) {}

  void ask(std::uint32_t replicas, base::Millis now) {
    if (replicas > wanted_) starting_.push_back({replicas - wanted_, now + delay_});
    // Those that are not ready yet go first.
    for (std::uint32_t surplus = wanted_ > replicas ? wanted_ - replicas : 0; surplus > 0;) {
      std::uint32_t& count = starting_.empty() ? ready_ : starting_.back().count;
      const std::uint32_t gone = std::min(surplus, count);
      count -= gone;
      surplus -= gone;
      if (!starting_.empty() && starting_.back().count == 0) starting_.pop_back();
    }
    wanted_ = replicas;
    pass(now);
  }
  void pass(base::Millis now) {
    while (!starting_.empty() && starting_.front().ready_at <= now) {
      ready_ += starting_.front().count;
      starting_.pop_front();
    }
  }

  std::uint32_t wanted() const { return wanted_; }
  std::uint32_t ready() const { return ready_; }

 private:
  struct Starting {
    std::uint32_t count = 0;
    base::Millis ready_at{0};
  };

  base::Millis delay_;
  std::uint32_t ready_;
  std::uint32_t wanted_;
  std::deque<Starting> starting_;
};

// Messages that came and are not settled, the oldest first.
class ModelQueue {
 public:
  void arrive(double messages, base::Millis now) {
    // Messages come whole.
    coming_ += messages;
    const double whole = std::floor(coming_ + 1e-6);
    coming_ -= whole;
    if (whole > 0) waiting_.push_back({whole, now});
    total_ += whole;
  }
  void settle(double messages) {
    messages = std::min(messages, total_);
    total_ -= messages;
    settled_ += messages;
    while (messages > 0 && !waiting_.empty()) {
      const double part = std::min(messages, waiting_.front().messages);
      waiting_.front().messages -= part;
      messages -= part;
      if (waiting_.front().messages <= 0) waiting_.pop_front();
    }
    if (waiting_.empty()) total_ = 0;
  }

  Backlog backlog(std::uint32_t ready_replicas, double rate, base::Millis now) const {
    Backlog backlog;
    // Half a message is one that somebody works on.
    const auto work = static_cast<std::uint64_t>(std::ceil(total_ - 1e-6));
    const double at_once = std::max(1.0, std::ceil(rate)) * ready_replicas;
    backlog.in_flight = std::min(work, static_cast<std::uint64_t>(at_once));
    backlog.ready = work - backlog.in_flight;
    backlog.settled_total = static_cast<std::uint64_t>(settled_);
    if (work > 0) backlog.oldest_age = now - waiting_.front().at;
    return backlog;
  }

 private:
  struct Batch {
    double messages = 0;
    base::Millis at{0};
  };

  std::deque<Batch> waiting_;
  double coming_ = 0;
  double total_ = 0;
  double settled_ = 0;
};

void add_to(SimulationSummary& summary, const SimulationPoint& point, base::Millis passed) {
  summary.time = point.time;
  summary.replica_seconds += static_cast<double>(passed.count()) / 1'000 * point.replicas;
  if (point.decision.replicas > point.replicas) ++summary.scale_outs;
  if (point.decision.replicas < point.replicas) ++summary.scale_ins;
  summary.replicas_max = std::max({summary.replicas_max, point.replicas, point.decision.replicas});
  summary.work_max = std::max(summary.work_max, point.backlog.work());
  if (point.backlog.oldest_age) {
    summary.oldest_max =
        std::max(summary.oldest_max.value_or(base::Millis(0)), *point.backlog.oldest_age);
  }
}

// One run over a trace.
class Run {
 public:
  Run(const autoscale::Policy& policy, const Trace& trace, const SimulationOptions& options)
      : policy_(policy),
        trace_(trace),
        options_(options),
        fleet_(options.replicas, options.start_delay) {}

  SimulationResult result() && {
    const TraceLine* holds = &trace_.lines.front();
    move_to(holds->time, *holds, static_cast<double>(holds->published));
    for (std::size_t i = 1; i < trace_.lines.size(); ++i) {
      const TraceLine& line = trace_.lines[i];
      // Messages come evenly over the time from one line to the next.
      const double interval = static_cast<double>((line.time - holds->time).count());
      double left = static_cast<double>(line.published);
      while (now_ + options_.step < line.time) {
        const double part = static_cast<double>(line.published) *
                            static_cast<double>(options_.step.count()) / interval;
        left -= part;
        move_to(now_ + options_.step, *holds, part);
      }
      move_to(line.time, line, std::max(left, 0.0));
      holds = &line;
    }
    return std::move(result_);
  }

 private:
  // To a moment at which `holds` is the state of things, and so many messages have come since.
  void move_to(base::Millis time, const TraceLine& holds, double came) {
    const base::Millis passed = time - now_;
    const double settled =
        options_.rate_per_replica * fleet_.ready() * static_cast<double>(passed.count()) / 1'000;
    fleet_.pass(time);
    SimulationPoint point;
    point.time = time;
    point.replicas = fleet_.wanted();
    point.ready = fleet_.ready();
    point.backlog = trace_.arrivals ? computed(time, holds, came, settled) : recorded(time, holds);
    const base::MonoTime mono(base::Nanos(time).count());
    const autoscale::Observation seen{point.backlog, {point.replicas, point.ready}};
    history_.note(policy_, seen, mono);
    point.decision = autoscale::decide(policy_, seen, history_, mono);
    fleet_.ask(point.decision.replicas, time);
    add_to(result_.summary, point, passed);
    result_.points.push_back(std::move(point));
    now_ = time;
  }

  static Backlog recorded(base::Millis time, const TraceLine& holds) {
    Backlog backlog = holds.backlog;
    if (backlog.oldest_age) *backlog.oldest_age += time - holds.time;
    return backlog;
  }

  Backlog computed(base::Millis time, const TraceLine& holds, double came, double settled) {
    model_.arrive(came, time);
    if (!holds.backlog.paused) model_.settle(settled);
    if (holds.backlog.coverage == autoscale::Coverage::kNone) return {};
    Backlog backlog = model_.backlog(fleet_.ready(), options_.rate_per_replica, time);
    backlog.coverage = holds.backlog.coverage;
    backlog.paused = holds.backlog.paused;
    return backlog;
  }

  const autoscale::Policy& policy_;
  const Trace& trace_;
  const SimulationOptions& options_;
  Fleet fleet_;
  ModelQueue model_;
  autoscale::History history_;
  base::Millis now_{0};
  SimulationResult result_;
};

}  // namespace

SimulationResult simulate(const autoscale::Policy& policy, const Trace& trace,
                          const SimulationOptions& options) {
  return Run(policy, trace, options).result();
}

}  // namespace sluice::cli::scaling
