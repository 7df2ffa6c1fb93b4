#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/prng.h"
#include "kube/http_transport.h"
#include "kube/object_ref.h"
#include "tests/sim/operator/loop.h"
#include "tests/support/fake_api_server.h"

namespace sluice::sim {

// A request, as the server understands it.
struct ApiCall {
  std::string method;
  const kube::ResourceType* type = nullptr;
  std::string name_space;
  std::string name;  // empty = the collection
  std::string subresource;
  std::map<std::string, std::string> query;
  kube::Json body;
  base::MonoTime sent_at;

  bool writes() const { return method != "GET"; }
  kube::ObjectRef ref() const { return {type, name_space, name}; }
  std::string to_string() const;
};
// none = no such path.
std::optional<ApiCall> parse_call(const kube::HttpRequest& request);

// A FakeApiServer as it is seen over HTTP: paths, statuses, lists with their versions and pages,
// and two replicas with caches, which may be behind for each type by itself. What a watch shows
// comes from a cache, in order; what was forgotten is answered with 410. Writes, and reads without
// a version, go to what there is.
class ApiSim {
 public:
  static constexpr std::size_t kReplicas = 2;

  ApiSim(Loop& loop, test::FakeApiServer& store);

  kube::HttpResponse answer(const ApiCall& call, std::size_t replica);

  // One change of a type, as a watch with these selectors shows it.
  struct WatchEvent {
    std::uint64_t version = 0;
    std::string line;
  };
  // The first after `version` that the replica's cache has.
  std::optional<WatchEvent> next_event(const ApiCall& watch, std::size_t replica,
                                       std::uint64_t version) const;
  bool is_forgotten(const kube::ResourceType& type, std::uint64_t version) const;
  // How far the replica's cache is.
  std::uint64_t visible(const kube::ResourceType& type, std::size_t replica) const;
  // Notified when something changed.
  void listen(Signal* signal) { listeners_.push_back(signal); }
  void unlisten(Signal* signal) { std::erase(listeners_, signal); }

  // --- Faults.
  void hold_back(const kube::ResourceType& type, std::size_t replica, base::Nanos time);
  void catch_up();
  // What came before is not to be had from a watch any more.
  void forget_history();
  std::size_t page_items = 500;

  // Who changed what; after the store did.
  std::function<void(const kube::ObjectRef& ref, const kube::Json& before, const kube::Json& after)>
      on_change;

 private:
  struct Change {
    std::uint64_t version = 0;
    std::shared_ptr<const kube::Json> before;
    std::shared_ptr<const kube::Json> after;
  };
  struct Held {
    std::uint64_t version = 0;
    base::MonoTime until;
  };

  void changed(const kube::ObjectRef& ref, const kube::Json& before, const kube::Json& after);
  kube::HttpResponse list(const ApiCall& call, std::size_t replica);
  kube::HttpResponse write(const ApiCall& call);
  std::vector<std::shared_ptr<const kube::Json>> at_version(const kube::ResourceType& type,
                                                            std::uint64_t version) const;

  Loop& loop_;
  test::FakeApiServer& store_;
  std::map<const kube::ResourceType*, std::vector<Change>> history_;
  std::uint64_t forgotten_ = 0;
  std::array<std::map<const kube::ResourceType*, Held>, kReplicas> held_;
  std::vector<Signal*> listeners_;
};

kube::HttpResponse status_response(int status, std::string_view reason, std::string_view message);

}  // namespace sluice::sim
