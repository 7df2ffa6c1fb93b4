#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/time.h"
#include "broker/picture.h"
#include "frontend/control_picture.h"
#include "wire/frame.h"

namespace sluice::frontend {

// One who watches the broker by CHANGES: when to look, and what there is to tell. Loop thread only;
// a value without clock or I/O.
class Watcher {
 public:
  static constexpr base::Nanos kIntervalMin{200'000'000};
  // Without news for so long, it is told that the broker lives.
  static constexpr base::Nanos kRepeat{2'000'000'000};
  // Looking costs the loop at most one part of so many.
  static constexpr std::int64_t kShare = 50;

  // `request` is repeated by what is told.
  Watcher(std::uint64_t request, base::Nanos interval);

  std::uint64_t request() const { return request_; }
  // When to look next, where `changes` (Commands::changes) stands now.
  base::MonoTime due(std::uint64_t changes) const;
  // The pages to be sent; none where nothing has changed and it is not time to say so. Their texts
  // are good until the next call.
  std::vector<wire::Changes> look(base::Now now, const ControlPicture& picture,
                                  std::uint64_t changes);

 private:
  std::uint64_t request_;
  base::Nanos interval_;
  std::uint64_t observation_ = 0;  // the last one
  std::uint64_t seen_ = 0;         // changes
  std::uint64_t revision_ = 0;
  base::MonoTime told_at_;     // a change
  base::MonoTime sent_at_;     // anything
  base::MonoTime rest_until_;  // after a look that took long
  std::shared_ptr<const std::vector<broker::QueuePicture>> last_;
  std::shared_ptr<const std::vector<broker::QueuePicture>> before_;  // for the texts
};

}  // namespace sluice::frontend
