#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kube/json.h"
#include "kube/list_watch.h"

namespace sluice::kube {

// An object as it was last seen; never changed afterwards.
using ObjectPtr = std::shared_ptr<const Json>;

// Takes away what nobody reads, before an object is kept.
using Prune = std::function<void(Json& object)>;
// Under which keys an object is found besides its name.
using IndexKeys = std::function<std::vector<std::string>(const Json& object)>;
// One of both is null where the object is new or gone. Called on the sink's thread, after the cache
// has changed and without its lock.
using OnChange = std::function<void(const ObjectPtr& before, const ObjectPtr& after)>;

struct CacheHooks {
  Prune prune;
  IndexKeys index_keys;
  OnChange on_change;
};

// The objects of one collection, as the watch tells them. Written by one thread (the reflector's),
// read by any.
class Cache final : public ObjectSink {
 public:
  explicit Cache(CacheHooks hooks) : hooks_(std::move(hooks)) {}

  ObjectPtr get(std::string_view name_space, std::string_view name) const;
  std::vector<ObjectPtr> all() const;
  // In the order of their names.
  std::vector<ObjectPtr> with_key(const std::string& key) const;
  std::size_t size() const;
  // Under how many keys something is found.
  std::size_t key_count() const;

  void replace(std::vector<Json> objects) override;
  void put(Json object) override;
  void erase(const Json& object) override;

 private:
  struct Entry {
    ObjectPtr object;
    std::vector<std::string> keys;
  };
  struct Change {
    ObjectPtr before;
    ObjectPtr after;
  };

  ObjectPtr keep(Json object) const;
  // With the lock held.
  Change put_locked(ObjectPtr object);
  Change erase_locked(const std::string& name);
  void unindex(const std::string& name, const Entry& entry);
  void tell(const std::vector<Change>& changes) const;

  CacheHooks hooks_;
  mutable std::mutex mutex_;                           // guards what follows
  std::map<std::string, Entry, std::less<>> objects_;  // by "NAMESPACE/NAME"
  std::map<std::string, std::set<std::string>, std::less<>> index_;
};

}  // namespace sluice::kube
