#pragma once

#include <string_view>

// Places at which a simulation may interfere. In every other program `sim_hooks` is null for ever:
// a place costs one load and a branch that is never taken, so they stand where nothing is done for
// each message. No option, file or variable of the environment sets it; only tests/sim does.
namespace sluice::base {

struct CoverMark;

class SimHooks {
 public:
  virtual ~SimHooks() = default;
  // Whether the place does now what is rare: allowed, but seldom seen.
  virtual bool buggify(std::string_view place) = 0;
  // Whether this bug was planted, to see that the simulation finds it.
  virtual bool planted(std::string_view bug) = 0;
  // A rare branch was taken (base/cover.h).
  virtual void cover(const CoverMark& mark) = 0;
};

// Set by a simulation before it begins; of one thread.
inline SimHooks* sim_hooks = nullptr;

}  // namespace sluice::base

// True now and then under a simulation that has drawn this place; else false.
#define BUGGIFY(place) \
  (::sluice::base::sim_hooks != nullptr && ::sluice::base::sim_hooks->buggify(place))

// True where a simulation has planted the bug of this name.
#define PLANTED(bug) \
  (::sluice::base::sim_hooks != nullptr && ::sluice::base::sim_hooks->planted(bug))
