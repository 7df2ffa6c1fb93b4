#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "kube/api.h"

namespace sluice::test {

// An API server in memory: resourceVersions, uids and generations, server-side apply with owners of
// fields, merge patches with preconditions, finalizers, and the forms in which the real one gives
// back what it got (amounts, defaults, empty lists left out). Deterministic; one thread.
//
// Garbage collection and controllers are in fake_controllers.h.
class FakeApiServer : public kube::Api {
 public:
  base::Result<kube::Json> get(const kube::ObjectRef& ref) override;
  base::Result<kube::Json> list(const kube::ResourceType& type, std::string_view name_space,
                                const kube::Selectors& selectors) override;
  base::Result<kube::Json> create(const kube::Json& object) override;
  base::Result<kube::Json> apply(const kube::Json& object, std::string_view manager) override;
  base::Result<kube::Json> apply_status(const kube::Json& object,
                                        std::string_view manager) override;
  base::Result<kube::Json> merge_patch(const kube::ObjectRef& ref, const kube::Json& patch,
                                       std::string_view subresource) override;
  base::Result<kube::Json> update(const kube::Json& object, std::string_view subresource) override;
  base::Status remove(const kube::ObjectRef& ref, const kube::Preconditions& preconditions,
                      kube::Propagation propagation) override;

  // --- For tests and controllers.

  // nullptr where there is none; valid until the next change.
  const kube::Json* find(const kube::ResourceType& type, std::string_view name_space,
                         std::string_view name) const;
  std::vector<const kube::Json*> all() const;
  std::vector<const kube::Json*> all(const kube::ResourceType& type) const;
  // Changes an object as some other client would; a new resourceVersion if it makes a difference.
  void change(const kube::ResourceType& type, std::string_view name_space, std::string_view name,
              const std::function<void(kube::Json&)>& edit);
  // Takes an object away whatever its finalizers say.
  void erase(const kube::ResourceType& type, std::string_view name_space, std::string_view name);

  void set_now(base::WallTime now) { now_ = now; }
  base::WallTime now() const { return now_; }
  // Volumes of these StorageClasses can grow.
  std::map<std::string, bool> expandable = {{"standard", true}};
  // Nothing is made in these any more.
  std::set<std::string> terminating;
  // Called for each write before it is carried out: verb and object.
  std::function<void(std::string_view verb, const kube::ObjectRef& ref)> on_write;
  // Called after each change: what was there and what is there now, one of them null where the
  // object is new or gone. Both have the versions that a watch shows.
  std::function<void(const kube::ObjectRef& ref, const kube::Json& before, const kube::Json& after)>
      on_change;
  std::uint64_t writes = 0;
  // What reads by name are answered with; none = with the object.
  std::optional<base::Error> get_error;
  // Of the last change.
  std::uint64_t version() const { return version_; }

 private:
  using Key = std::pair<std::string, std::pair<std::string, std::string>>;  // kind, (ns, name)
  struct Stored {
    kube::Json object;
    std::map<std::string, kube::Json, std::less<>> applied;  // by manager
  };

  static Key key_of(const kube::ObjectRef& ref);
  void note(std::string_view verb, const kube::ObjectRef& ref);
  void tell(const kube::ObjectRef& ref, const kube::Json& before, const kube::Json& after) const;
  // Takes the object away, which was `before` when the last change began; the deletion has a
  // version of its own.
  void take_away(const kube::ObjectRef& ref, kube::Json before);
  base::Result<kube::Json> put_new(const kube::ObjectRef& ref, kube::Json object,
                                   std::string_view manager);
  base::Status check_change(const kube::Json& before, const kube::Json& after) const;
  // Stores the changed object, or takes it away when it was being removed and nothing holds it.
  base::Result<kube::Json> store(const kube::ObjectRef& ref, Stored& stored, kube::Json after);
  base::Result<kube::Json> apply_part(const kube::Json& object, std::string_view manager,
                                      bool status);
  std::string next_version() { return std::to_string(++version_); }

  std::map<Key, Stored> objects_;
  std::uint64_t version_ = 100;
  std::uint64_t uids_ = 0;
  base::WallTime now_{1'700'000'000'000};
};

}  // namespace sluice::test
