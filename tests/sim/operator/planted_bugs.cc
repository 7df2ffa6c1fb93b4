#include "tests/sim/operator/planted_bugs.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/check.h"
#include "kube/object_ref.h"
#include "operator/reconcile/names.h"

namespace sluice::sim {
namespace {

using kube::Json;

constexpr std::int64_t kBelievedMore = 300;

struct Planted {
  Bug bug;
  Choice choice;
};

const std::vector<Planted>& planted() {
  static const std::vector<Planted> kPlanted = {
      {Bug::kZeroOnUnknown,
       {"zero_on_unknown", "a shard that is not heard counts as one that is heard and empty",
        "was not heard"}},
      {Bug::kScaleInOfBusyPod,
       {"scale_in_of_busy_pod", "a cordon counts as answered, with nothing in flight",
        ", which works on "}},
      {Bug::kWriteWithoutLease,
       {"write_without_lease", "nothing is asked before a write", "a write without the Lease"}},
      {Bug::kFinalizerBeforeRemoval,
       {"finalizer_before_removal", "a Queue is let go when its deletion is first seen",
        "removed the finalizer of Queue"}},
      {Bug::kWatchGapMissed,
       {"watch_gap_missed",
        "after 410 a watch goes on at the newest version, without what changed meanwhile",
        " is not ready: | is still being deleted| has a status of another generation"
        "| is said to have messages come or go| is stalled: | is Current"}},
      {Bug::kPreconditionsIgnored,
       {"stale_cache_trusted", "deletions and patches carry no uid and no resourceVersion",
        "a patch of whatever is there"}},
      {Bug::kLostWriteTakenForDone,
       {"lost_write_taken_for_done",
        "an apply without an answer counts as carried out, and is not made again",
        "nobody is let in"}},
      {Bug::kStatusWriteLoop,
       {"status_write_loop", "each status differs from the last one", "writes in steady state"}},
      {Bug::kEpochNotRaised,
       {"epoch_not_raised", "what brokers say of epochs is not heard",
        "has a status of another generation"}},
      {Bug::kDroppedOwners,
       {"owners_dropped", "objects are made without their owners",
        "of an operator that begins when all is done"}},
      {Bug::kAboveMax,
       {"above_max", "who makes a target larger adds one more than was decided", "are allowed"}},
      {Bug::kDeletedEventMissed,
       {"deleted_event_missed", "a cache does not hear of deletions",
        "is not ready: BrokerUnavailable"}},
      {Bug::kViewBeforeLease,
       {"view_before_lease", "who waits for the Lease watches already, and acts on what it has",
        "older than those it had been told"}},
      {Bug::kWaitOverstated,
       {"wait_overstated", "what is noted of how long a deletion waited is a minute too much",
        " s, and it was for "}},
      {Bug::kWaitBelieved,
       {"wait_believed", "five minutes are added to what was noted of how long a deletion waited",
        "has been held up for "}},
  };
  return kPlanted;
}

// The number behind the slash of "UID/SECONDS", with so many more.
std::string with_more(const std::string& note, std::int64_t seconds) {
  const std::size_t number = note.find('/') + 1;
  return note.substr(0, number) + std::to_string(std::stoll(note.substr(number)) + seconds);
}

// A text with objects, each of whose notes says more.
std::string with_more_noted(const std::string& text, std::int64_t seconds) {
  const std::string begin = "\"" + std::string(reconcile::kWaitedAnnotation) + "\":\"";
  std::string all;
  std::size_t done = 0;
  for (std::size_t at = text.find(begin); at != text.npos; at = text.find(begin, done)) {
    const std::size_t note = at + begin.size();
    const std::size_t end = text.find('"', note);
    all += text.substr(done, note - done) + with_more(text.substr(note, end - note), seconds);
    done = end;
  }
  return all + text.substr(done);
}

// What an Api does, with the mistakes of a Bug.
class BugApi final : public kube::Api {
 public:
  BugApi(kube::Api& api, Bug bug) : api_(api), bug_(bug) {}

  base::Result<Json> get(const kube::ObjectRef& ref) override { return api_.get(ref); }
  base::Result<Json> list(const kube::ResourceType& type, std::string_view name_space,
                          const kube::Selectors& selectors) override {
    return api_.list(type, name_space, selectors);
  }
  base::Result<Json> create(const Json& object) override { return api_.create(object); }
  base::Result<Json> apply(const Json& object, std::string_view manager) override {
    Json copy = object;
    if (bug_ == Bug::kDroppedOwners) copy["metadata"].erase("ownerReferences");
    if (taken_for_done_.contains(copy.dump())) return copy;
    auto applied = api_.apply(copy, manager);
    if (bug_ == Bug::kLostWriteTakenForDone && !applied.has_value() &&
        (applied.error().code() == base::ErrorCode::kUnavailable ||
         applied.error().code() == base::ErrorCode::kDeadlineExceeded)) {
      taken_for_done_.insert(copy.dump());
      return copy;
    }
    return applied;
  }
  base::Result<Json> apply_status(const Json& object, std::string_view manager) override {
    Json copy = object;
    if (bug_ == Bug::kStatusWriteLoop) {
      for (Json& one : copy["status"]["conditions"]) {
        one["message"] = one.value("message", "") + " (" + std::to_string(++writes_) + ")";
      }
    }
    if (bug_ == Bug::kFinalizerBeforeRemoval && is_leaving(copy)) {
      const kube::ObjectRef ref{&kube::kQueues, kube::namespace_of(copy), kube::name_of(copy)};
      if (const auto there = api_.get(ref); there.has_value()) {
        static_cast<void>(
            api_.merge_patch(ref, {{"metadata",
                                    {{"resourceVersion", kube::resource_version_of(*there)},
                                     {"finalizers", Json::array()}}}}));
      }
    }
    return api_.apply_status(copy, manager);
  }
  base::Result<Json> merge_patch(const kube::ObjectRef& ref, const Json& patch,
                                 std::string_view subresource) override {
    Json copy = patch;
    if (bug_ == Bug::kPreconditionsIgnored && copy.contains("metadata")) {
      copy["metadata"].erase("resourceVersion");
      copy["metadata"].erase("uid");
    }
    const std::string note(reconcile::kWaitedAnnotation);
    const Json noted = kube::value_in(copy, {"metadata", "annotations", note});
    if (bug_ == Bug::kWaitOverstated && noted.is_string()) {
      copy["metadata"]["annotations"][note] = with_more(noted, 60);
    }
    if (bug_ == Bug::kAboveMax && subresource == "scale" && makes_larger(ref, copy)) {
      copy["spec"]["replicas"] = copy["spec"]["replicas"].get<std::uint32_t>() + 1;
    }
    return api_.merge_patch(ref, copy, subresource);
  }
  base::Result<Json> update(const Json& object, std::string_view subresource) override {
    return api_.update(object, subresource);
  }
  base::Status remove(const kube::ObjectRef& ref, const kube::Preconditions& preconditions,
                      kube::Propagation propagation) override {
    if (bug_ == Bug::kPreconditionsIgnored) return api_.remove(ref, {}, propagation);
    return api_.remove(ref, preconditions, propagation);
  }

 private:
  bool makes_larger(const kube::ObjectRef& ref, const Json& scale) {
    const auto target = api_.get(ref);
    if (!target.has_value()) return false;
    return kube::value_in(scale, {"spec", "replicas"}) >
           kube::value_in(*target, {"spec", "replicas"});
  }

  static bool is_leaving(const Json& status) {
    for (const Json& one : kube::value_in(status, {"status", "conditions"})) {
      if (kube::text_in(one, "reason") == "Deleting") return true;
    }
    return false;
  }

  kube::Api& api_;
  Bug bug_;
  std::uint64_t writes_ = 0;
  std::set<std::string> taken_for_done_;
};

// Lists and watches with the mistakes of a Bug.
class BugTransport final : public kube::HttpTransport {
 public:
  BugTransport(kube::HttpTransport& transport, Bug bug) : transport_(transport), bug_(bug) {}

  base::Result<kube::HttpResponse> send(const kube::HttpRequest& request) override {
    base::Result<kube::HttpResponse> response = transport_.send(request);
    if (!response.has_value() || response->status != 200) return response;
    if (bug_ == Bug::kWaitBelieved) {
      response->body = with_more_noted(response->body, kBelievedMore);
    }
    if (bug_ == Bug::kWatchGapMissed) listed(request.target, response->body);
    return response;
  }
  base::Result<kube::HttpResponse> stream(const kube::HttpRequest& request,
                                          const kube::LineSink& sink,
                                          const std::stop_token& stop) override {
    return transport_.stream(
        request,
        [&](std::string_view line) {
          if (bug_ == Bug::kDeletedEventMissed && line.find("\"DELETED\"") != line.npos) {
            return true;
          }
          if (bug_ == Bug::kWatchGapMissed) watched(request.target, line);
          if (bug_ == Bug::kWaitBelieved) {
            return sink(with_more_noted(std::string(line), kBelievedMore));
          }
          return sink(line);
        },
        stop);
  }
  void forget_credentials() override { transport_.forget_credentials(); }

 private:
  // What a watcher knows.
  struct Known {
    bool all = false;  // the first list has ended
    std::map<std::string, Json> objects;
  };

  Known& known(const std::string& target) { return known_[target.substr(0, target.find('?'))]; }

  // After the first one, a list says only how new it is.
  void listed(const std::string& target, std::string& body) {
    Known& known = this->known(target);
    Json list = Json::parse(body);
    if (known.all) {
      list["items"] = Json::array();
      for (const auto& [uid, object] : known.objects) list["items"].push_back(object);
      list["metadata"].erase("continue");
      body = list.dump();
      return;
    }
    if (target.find("continue=") == target.npos) known.objects.clear();
    for (const Json& item : list["items"]) known.objects[kube::uid_of(item)] = item;
    known.all = kube::text_in(list["metadata"], "continue").empty();
  }

  void watched(const std::string& target, std::string_view line) {
    const Json event = Json::parse(line);
    const std::string type = kube::text_in(event, "type");
    const Json& object = kube::value_in(event, {"object"});
    std::map<std::string, Json>& objects = known(target).objects;
    if (type == "DELETED") objects.erase(kube::uid_of(object));
    if (type == "ADDED" || type == "MODIFIED") objects[kube::uid_of(object)] = object;
  }

  kube::HttpTransport& transport_;
  Bug bug_;
  std::map<std::string, Known> known_;
};

}  // namespace

const std::vector<Choice>& bug_choices() {
  static const std::vector<Choice> kChoices = [] {
    std::vector<Choice> choices;
    for (const Planted& one : planted()) choices.push_back(one.choice);
    return choices;
  }();
  return kChoices;
}

Bugs::Bugs(const std::string& name) {
  if (name.empty()) return;
  const auto found = std::find_if(planted().begin(), planted().end(),
                                  [&](const Planted& one) { return one.choice.name == name; });
  CHECK(found != planted().end());
  bug_ = found->bug;
}

std::unique_ptr<kube::Api> Bugs::wrap_api(kube::Api& api) const {
  return std::make_unique<BugApi>(api, bug_);
}

std::unique_ptr<kube::HttpTransport> Bugs::wrap_watches(kube::HttpTransport& transport) const {
  return std::make_unique<BugTransport>(transport, bug_);
}

std::vector<reconcile::ShardState> Bugs::shards(std::vector<reconcile::ShardState> states,
                                                base::MonoTime now) const {
  if (bug_ != Bug::kZeroOnUnknown) return states;
  for (reconcile::ShardState& state : states) {
    if (state.observation == nullptr || state.connected) continue;
    auto told = std::make_shared<link::BrokerObservation>(*state.observation);
    for (link::QueueObservation& queue : told->queues) {
      for (link::SubscriptionObservation& one : queue.subscriptions) {
        one.ready = one.in_flight = one.delayed = 0;
        one.oldest_age.reset();
        one.consumers.clear();
      }
    }
    told->received_at = now;
    state.observation = std::move(told);
    state.connected = true;
  }
  return states;
}

}  // namespace sluice::sim
