#include "kube/cache.h"

#include "kube/object_ref.h"

namespace sluice::kube {
namespace {

std::string full_name(std::string_view name_space, std::string_view name) {
  return std::string(name_space) + "/" + std::string(name);
}

std::string full_name_of(const Json& object) {
  return full_name(namespace_of(object), name_of(object));
}

}  // namespace

ObjectPtr Cache::get(std::string_view name_space, std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const auto found = objects_.find(full_name(name_space, name));
  return found == objects_.end() ? nullptr : found->second.object;
}

std::vector<ObjectPtr> Cache::all() const {
  const std::lock_guard lock(mutex_);
  std::vector<ObjectPtr> out;
  out.reserve(objects_.size());
  for (const auto& [name, entry] : objects_) out.push_back(entry.object);
  return out;
}

std::vector<ObjectPtr> Cache::with_key(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  std::vector<ObjectPtr> out;
  const auto names = index_.find(key);
  if (names == index_.end()) return out;
  out.reserve(names->second.size());
  for (const std::string& name : names->second) out.push_back(objects_.find(name)->second.object);
  return out;
}

std::size_t Cache::size() const {
  const std::lock_guard lock(mutex_);
  return objects_.size();
}

std::size_t Cache::key_count() const {
  const std::lock_guard lock(mutex_);
  return index_.size();
}

ObjectPtr Cache::keep(Json object) const {
  if (hooks_.prune) hooks_.prune(object);
  return std::make_shared<const Json>(std::move(object));
}

void Cache::unindex(const std::string& name, const Entry& entry) {
  for (const std::string& key : entry.keys) {
    const auto names = index_.find(key);
    if (names == index_.end()) continue;
    names->second.erase(name);
    if (names->second.empty()) index_.erase(names);
  }
}

Cache::Change Cache::put_locked(ObjectPtr object) {
  std::string name = full_name_of(*object);
  Entry& entry = objects_[name];
  Change change{entry.object, object};
  unindex(name, entry);
  entry.keys = hooks_.index_keys ? hooks_.index_keys(*object) : std::vector<std::string>();
  for (const std::string& key : entry.keys) index_[key].insert(name);
  entry.object = std::move(object);
  return change;
}

Cache::Change Cache::erase_locked(const std::string& name) {
  const auto found = objects_.find(name);
  if (found == objects_.end()) return {};
  Change change{found->second.object, nullptr};
  unindex(name, found->second);
  objects_.erase(found);
  return change;
}

void Cache::tell(const std::vector<Change>& changes) const {
  if (!hooks_.on_change) return;
  for (const Change& change : changes) {
    if (change.before != nullptr || change.after != nullptr) {
      hooks_.on_change(change.before, change.after);
    }
  }
}

void Cache::replace(std::vector<Json> objects) {
  std::vector<ObjectPtr> kept;
  kept.reserve(objects.size());
  for (Json& object : objects) kept.push_back(keep(std::move(object)));
  std::vector<Change> changes;
  {
    const std::lock_guard lock(mutex_);
    std::set<std::string> there;
    for (const ObjectPtr& object : kept) there.insert(full_name_of(*object));
    std::vector<std::string> gone;
    for (const auto& [name, entry] : objects_) {
      if (!there.contains(name)) gone.push_back(name);
    }
    for (const std::string& name : gone) changes.push_back(erase_locked(name));
    for (ObjectPtr& object : kept) {
      Change change = put_locked(std::move(object));
      const bool same = change.before != nullptr &&
                        resource_version_of(*change.before) == resource_version_of(*change.after);
      if (!same) changes.push_back(std::move(change));
    }
  }
  tell(changes);
}

void Cache::put(Json object) {
  ObjectPtr kept = keep(std::move(object));
  std::vector<Change> changes;
  {
    const std::lock_guard lock(mutex_);
    changes.push_back(put_locked(std::move(kept)));
  }
  tell(changes);
}

void Cache::erase(const Json& object) {
  std::vector<Change> changes;
  {
    const std::lock_guard lock(mutex_);
    changes.push_back(erase_locked(full_name_of(object)));
  }
  tell(changes);
}

}  // namespace sluice::kube
