#include "operator/reconcile/plan.h"

namespace sluice::reconcile {
namespace {

std::string shown(std::string_view verb, const kube::Json& object) {
  std::string text(verb);
  const auto kind = object.find("kind");
  if (kind != object.end() && kind->is_string()) text += " " + kind->get<std::string>();
  return text + " " + kube::namespace_of(object) + "/" + kube::name_of(object);
}

struct Describe {
  std::string operator()(const Apply& one) const { return shown("Apply", one.object); }
  std::string operator()(const Create& one) const { return shown("Create", one.object); }
  std::string operator()(const Remove& one) const {
    return "Remove " + one.ref.to_string() + " (" + std::string(kube::to_string(one.propagation)) +
           ")";
  }
  std::string operator()(const Patch& one) const { return "Patch " + one.ref.to_string(); }
  std::string operator()(const ApplyStatus& one) const { return shown("ApplyStatus", one.object); }
  std::string operator()(const Configure& one) const {
    return "Configure " + one.queue + " at shard " + std::to_string(one.shard);
  }
  std::string operator()(const RemoveQueue& one) const {
    return "RemoveQueue " + one.queue + " at shard " + std::to_string(one.shard) +
           (one.mode == link::RemoveMode::kIfEmpty ? " if empty" : "");
  }
  std::string operator()(const Event& one) const {
    return shown("Event " + one.reason + " about",
                 {{"kind", one.regarding.value("kind", "")}, {"metadata", one.regarding}});
  }
};

}  // namespace

std::string to_string(const Action& action) { return std::visit(Describe{}, action); }

bool is_write(const Action& action) {
  return !std::holds_alternative<Configure>(action) && !std::holds_alternative<RemoveQueue>(action);
}

}  // namespace sluice::reconcile
