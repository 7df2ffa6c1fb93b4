#include "operator/reconcile/member.h"

#include <algorithm>
#include <tuple>

#include "kube/object_ref.h"
#include "operator/api/manifest.h"
#include "operator/reconcile/fields.h"
#include "operator/reconcile/names.h"
#include "operator/reconcile/stored_manifest.h"

namespace sluice::reconcile {
namespace {

constexpr std::size_t kProblemsShown = 8;

bool has_finalizer(const Json& object) {
  const Json* finalizers = find_at(object, {"metadata", "finalizers"});
  return finalizers != nullptr && finalizers->is_array() &&
         std::find(finalizers->begin(), finalizers->end(), Json(kFinalizer)) != finalizers->end();
}

// Only what says what the queue is: labels and annotations are for others.
std::string manifest_text(const Json& object) {
  Json manifest = stored_manifest(text_at(object, {"metadata", "name"}));
  manifest["apiVersion"] = text_at(object, {"apiVersion"});
  manifest["kind"] = text_at(object, {"kind"});
  manifest["metadata"]["namespace"] = text_at(object, {"metadata", "namespace"});
  if (const Json* spec = find_at(object, {"spec"})) manifest["spec"] = *spec;
  return manifest.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void parse(Member& member) {
  api::Manifest manifest = api::parse_manifest(manifest_text(*member.object));
  if (manifest.ok() && manifest.queues.size() == 1) {
    member.queue = std::move(manifest.queues.front());
    return;
  }
  std::string message;
  for (std::size_t i = 0; i < std::min(manifest.problems.size(), kProblemsShown); ++i) {
    const api::Problem& problem = manifest.problems[i];
    if (!message.empty()) message += "; ";
    message += problem.path.empty() ? problem.text : problem.path + ": " + problem.text;
  }
  const std::size_t left_out = manifest.problems_left_out + manifest.problems.size() -
                               std::min(manifest.problems.size(), kProblemsShown);
  if (left_out > 0) message += "; and " + std::to_string(left_out) + " more";
  member.obstacle = {"InvalidSpec", message.empty() ? "this is no Queue" : message};
}

Member read_member(const Inputs& inputs, const Json& object) {
  Member member;
  member.object = &object;
  member.name = kube::name_of(object);
  member.uid = kube::uid_of(object);
  member.generation = generation_of(object);
  member.created = text_at(object, {"metadata", "creationTimestamp"});
  if (is_being_removed(object)) member.standing = Standing::kLeaving;
  member.has_finalizer = has_finalizer(object);
  if (const Json* config = inputs.live.find(kube::kConfigMaps, queues_config_name(inputs.broker))) {
    member.established = is_owned_by(*config, member.uid) &&
                         find_at(*config, {"data", manifest_file(member.name)}) != nullptr;
  }
  if (const Json* set = inputs.live.find(kube::kStatefulSets, inputs.broker)) {
    member.established = member.established || is_owned_by(*set, member.uid);
  }
  parse(member);
  return member;
}

}  // namespace

api::DeletionPolicy Member::deletion_policy() const {
  if (queue) return queue->spec.deletion_policy;
  const std::string policy = text_at(*object, {"spec", "deletionPolicy"});
  if (policy == "Delete") return api::DeletionPolicy::kDelete;
  if (policy == "DeleteIfEmpty") return api::DeletionPolicy::kDeleteIfEmpty;
  return api::DeletionPolicy::kRetain;
}

bool Member::keeps_settings() const {
  if (!established) return false;
  return standing == Standing::kHeld || (standing == Standing::kLeaving &&
                                         deletion_policy() == api::DeletionPolicy::kDeleteIfEmpty);
}

std::string Member::manifest() const {
  // Of fields that are unknown here a broker may know more, or even less.
  Json text = stored_manifest(name);
  const Json* spec = find_at(*object, {"spec"});
  if (spec != nullptr && spec->is_object()) {
    Json part = *spec;
    for (const char* field : {"broker", "access", "consumers", "deletionPolicy"}) part.erase(field);
    const auto subscriptions = part.find("subscriptions");
    if (subscriptions != part.end() && subscriptions->is_array()) {
      for (Json& one : *subscriptions) {
        if (one.is_object()) one.erase("consumers");
      }
    }
    text["spec"] = std::move(part);
  }
  return text.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::vector<Member> read_members(const Inputs& inputs) {
  std::vector<Member> members;
  members.reserve(inputs.queues.size());
  for (const Json& object : inputs.queues) members.push_back(read_member(inputs, object));
  std::sort(members.begin(), members.end(), [](const Member& a, const Member& b) {
    return std::forward_as_tuple(!a.established, a.created, a.name) <
           std::forward_as_tuple(!b.established, b.created, b.name);
  });
  return members;
}

}  // namespace sluice::reconcile
