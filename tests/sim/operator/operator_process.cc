#include "tests/sim/operator/operator_process.h"

#include <algorithm>
#include <utility>

#include "operator/reconcile/names.h"

namespace sluice::sim {
namespace {

using kube::Json;

constexpr base::Millis kWorkPoll{50};
constexpr std::int64_t kEpochStart = 1'790'000'000'000;

kube::ElectionOptions election_options(const ProcessOptions& options, const std::string& identity) {
  kube::ElectionOptions election;
  election.name_space = options.name_space;
  election.lease_name = "sluice-operator";
  election.identity = identity;
  return election;
}

}  // namespace

base::WallTime wall_of(base::MonoTime time) {
  return base::WallTime(kEpochStart + (time.value() - 1'000'000'000'000) / base::kNanosPerMilli);
}

base::WallTime ProcessClock::wall_now() const { return wall_of(loop_.now()) + offset.count(); }

OperatorProcess::OperatorProcess(Loop& loop, Network& network, BrokerField& field,
                                 reconcile::KeyMaker& keys, const Bugs& bugs,
                                 const ProcessOptions& options, std::uint64_t number,
                                 std::uint64_t seed)
    : clock(loop),
      began(loop.now()),
      loop_(loop),
      field_(field),
      bugs_(bugs),
      options_(options),
      id_(loop.new_process()),
      identity_("op-" + std::to_string(number)),
      seed_(seed),
      transport_(network, {id_, identity_, false}, base::Millis(30'000)),
      election_transport_(network, {id_, identity_, true}, base::Millis(4'000)),
      watch_transport_(bugs.wrap_watches(transport_)),
      http_api_({transport_,
                 clock,
                 [this](base::Millis time) { return wait(time); },
                 {},
                 [this]() -> base::Status {
                   if (bugs_.has(Bug::kWriteWithoutLease) || election_.may_write(loop_.now())) {
                     return {};
                   }
                   return base::failed_precondition("this process does not lead");
                 }}),
      election_api_({election_transport_, clock, [](base::Millis) { return false; }, {}, {}},
                    {.tries_max = 1}),
      api_(bugs.wrap_api(http_api_)),
      election_(election_options(options, identity_), seed),
      election_signal_(loop),
      scaler_signal_(loop),
      events_signal_(loop),
      state_signal_(loop),
      links_(field, id_) {
  make_controller(keys);
  make_scaler();
  synced_.resize(op::ClusterView::types().size());
  spawn([this] { elect(); });
  if (bugs_.has(Bug::kViewBeforeLease)) begin_to_watch();
  spawn([this] { supervise(); });
}

OperatorProcess::~OperatorProcess() {
  loop_.kill(id_);
  controller_.reset();
  scaler_.reset();
}

void OperatorProcess::make_controller(reconcile::KeyMaker& keys) {
  op::ControllerOptions controller;
  controller.workers = 0;  // fibers do it
  controller.reconcile.version = options_.version;
  controller.reconcile.operator_namespace = options_.name_space;
  controller_ = std::make_unique<op::Controller>(
      op::ControllerSeams{*api_, links_, clock, keys, counters_,
                          [this](kube::EventNote note) {
                            notes_.push_back(std::move(note));
                            events_signal_.notify();
                          },
                          [this] { return epoch(); },
                          [this](std::uint64_t epoch) { met_epoch(epoch); },
                          [this](const std::string& key) { return scaling_of(key); },
                          [this](const std::string& key, std::size_t shard,
                                 const std::shared_ptr<const link::BrokerObservation>&) {
                            heard[key + "#" + std::to_string(shard)] = loop_.now();
                            scaler_->observed(key);
                            scaler_signal_.notify();
                          }},
      std::move(controller));
}

void OperatorProcess::make_scaler() {
  scaler_ = std::make_unique<op::Scaler>(
      op::ScalerSeams{
          *api_,
          clock,
          [this](kube::EventNote note) {
            notes_.push_back(std::move(note));
            events_signal_.notify();
          },
          [this](const std::string& key) {
            return bugs_.shards(controller_->links().shards(key), loop_.now());
          },
          [this](const std::string& key, std::size_t shard, const std::string& pod,
                 base::Millis lease, const std::function<void(base::Result<std::uint64_t>)>& done) {
            if (bugs_.has(Bug::kScaleInOfBusyPod)) return done(std::uint64_t{0});
            if (bugs_.has(Bug::kZeroOnUnknown) &&
                !controller_->links().shards(key).at(shard).connected) {
              return done(std::uint64_t{0});
            }
            const auto link = controller_->links().link(key, shard);
            const auto leads = epoch();
            if (link == nullptr || !leads) {
              return done(base::unavailable("no link to the broker, or no lease"));
            }
            link->cordon(*leads, pod, lease, done);
          },
          [this](const std::string& key) { controller_->work().add(key); },
          {}},
      0);
}

op::ScalingResults OperatorProcess::scaling_of(const std::string& key) {
  scaler_->follow(key, controller_->view().queues(key));
  scaler_->observed(key);
  scaler_signal_.notify();
  return scaler_->results(key);
}

std::optional<std::uint64_t> OperatorProcess::epoch() const {
  if (!election_.leads(loop_.now())) return std::nullopt;
  return election_.epoch();
}

void OperatorProcess::met_epoch(std::uint64_t epoch) {
  if (bugs_.has(Bug::kEpochNotRaised)) return;
  if (election_.met_epoch(epoch, clock.wall_now())) election_signal_.notify();
}

// What a call waits before it is sent again; false = the process stops.
bool OperatorProcess::wait(base::Millis time) {
  if (stopping_) return false;
  loop_.linger(time);
  return !stopping_;
}

void OperatorProcess::reflect(const kube::ResourceType& type, std::uint64_t seed) {
  const auto types = op::ClusterView::types();
  const auto at =
      static_cast<std::size_t>(std::find(types.begin(), types.end(), &type) - types.begin());
  spawn([this, &type, seed, at] {
    kube::ListWatchOptions options{&type, "", {}};
    if (&type != &kube::kQueues) options.selectors.label = std::string(reconcile::kBrokerLabel);
    kube::ListWatch core(options, seed);
    kube::Cache& cache = controller_->view().cache(type);
    while (!stopping_) {
      const kube::ListWatch::Step step = core.next(loop_.now());
      if (step.kind == kube::ListWatch::Kind::kWait) {
        loop_.linger(base::Nanos(step.due - loop_.now()));
      } else if (step.kind == kube::ListWatch::Kind::kList) {
        const auto response = watch_transport_->send({"GET", step.target, "", ""});
        core.listed(response, cache, loop_.now());
      } else {
        core.watch_began(loop_.now());
        const auto response = watch_transport_->stream(
            {"GET", step.target, "", ""},
            [&](std::string_view line) { return core.watch_line(line, cache, loop_.now()); }, {});
        core.watch_ended(response, loop_.now());
      }
      if (core.synced() && !synced_[at]) {
        synced_[at] = true;
        state_signal_.notify();
      }
    }
  });
}

void OperatorProcess::begin_to_watch() {
  for (const kube::ResourceType* type : op::ClusterView::types()) reflect(*type, ++seed_);
}

bool OperatorProcess::synced() const {
  return std::all_of(synced_.begin(), synced_.end(), [](bool one) { return one; });
}

void OperatorProcess::elect() {
  while (!stopping_) {
    const kube::Election::Step step = election_.next(clock.now());
    if (step.kind == kube::Election::Kind::kWait) {
      loop_.wait(election_signal_, step.due);
      continue;
    }
    base::Result<Json> answer =
        step.kind == kube::Election::Kind::kCreate ? election_api_.create(step.lease)
        : step.kind == kube::Election::Kind::kUpdate
            ? election_api_.update(step.lease, "")
            : election_api_.get({&kube::kLeases, options_.name_space, "sluice-operator"});
    election_.answered(answer, clock.now());
    tell_election();
  }
}

void OperatorProcess::tell_election() {
  const auto leading = epoch();
  if (leading == told_epoch_) return;
  if (!leading) lost_ = true;
  loop_.note(identity_ + (leading ? " leads, epoch " + std::to_string(*leading)
                                  : std::string(" does not lead any more")));
  told_epoch_ = leading;
  state_signal_.notify();
}

void OperatorProcess::work() {
  while (!stopping_) {
    const auto taken = controller_->work().take_due();
    if (!taken) {
      loop_.linger(kWorkPoll);
      continue;
    }
    controller_->process(taken->key);
    controller_->work().done(taken->key);
  }
  --busy_;
  state_signal_.notify();
}

void OperatorProcess::scale() {
  while (!stopping_) {
    const base::Millis again = scaler_->run_all();
    // At most as often as brokers tell something.
    loop_.linger(base::Millis(200));
    loop_.wait(scaler_signal_, loop_.now() + base::Nanos(again));
  }
  --busy_;
  state_signal_.notify();
}

void OperatorProcess::write_events() {
  kube::EventSeries series({"sluice.dev/operator", identity_});
  while (!stopping_) {
    if (notes_.empty()) {
      loop_.wait(events_signal_, loop_.now() + std::chrono::seconds(5));
      continue;
    }
    const kube::EventNote note = std::move(notes_.front());
    notes_.pop_front();
    const auto write = series.add(note, clock.now());
    if (!write) continue;
    if (write->create) {
      static_cast<void>(api_->create(*write->create));
    } else {
      static_cast<void>(api_->merge_patch(write->ref, write->patch));
    }
  }
  --busy_;
  state_signal_.notify();
}

bool OperatorProcess::hears(const std::string& name_space, const std::string& pod,
                            base::Nanos time) const {
  const auto since = links_.connections().find(name_space + "/" + pod);
  return since != links_.connections().end() && since->second + time <= loop_.now();
}

void OperatorProcess::request_stop() {
  lost_ = true;
  state_signal_.notify();
}

// What main() waits for.
void OperatorProcess::supervise() {
  const auto later = [this] { return loop_.now() + std::chrono::hours(1); };
  while (!lost_ && !told_epoch_) loop_.wait(state_signal_, later());
  // Only now, as run_operator() does it.
  if (!lost_ && !bugs_.has(Bug::kViewBeforeLease)) begin_to_watch();
  while (!lost_ && !synced()) loop_.wait(state_signal_, later());
  if (!lost_) {
    works_ = true;
    scaler_->start();
    controller_->start_workers();
    busy_ = options_.workers + 2;
    for (std::size_t i = 0; i < options_.workers; ++i) spawn([this] { work(); });
    spawn([this] { scale(); });
    spawn([this] { write_events(); });
  }
  while (!lost_) loop_.wait(state_signal_, later());
  stopping_ = true;
  events_signal_.notify();
  scaler_signal_.notify();
  while (busy_ > 0) loop_.wait(state_signal_, later());
  scaler_->stop();
  if (const auto lease = election_.release(clock.now())) {
    static_cast<void>(election_api_.update(*lease, ""));
  }
  ended_ = true;
}

}  // namespace sluice::sim
