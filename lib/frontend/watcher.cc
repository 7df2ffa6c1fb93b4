#include "frontend/watcher.h"

#include <algorithm>
#include <utility>

#include "frontend/change_pages.h"

namespace sluice::frontend {

Watcher::Watcher(std::uint64_t request, base::Nanos interval)
    : request_(request),
      interval_(std::max(interval, kIntervalMin)),
      last_(std::make_shared<const std::vector<broker::QueuePicture>>()) {}

base::MonoTime Watcher::due(std::uint64_t changes) const {
  if (observation_ == 0) return {};
  const base::MonoTime repeat = sent_at_ + kRepeat;
  if (changes == seen_) return repeat;
  return std::min(repeat, std::max(told_at_ + interval_, rest_until_));
}

std::vector<wire::Changes> Watcher::look(base::Now now, const ControlPicture& picture,
                                         std::uint64_t changes) {
  std::vector<wire::Changes> pages = change_pages(*last_, *picture.queues);
  const bool changed = !pages.empty() || picture.revision != revision_;
  before_ = std::exchange(last_, picture.queues);
  seen_ = changes;
  revision_ = picture.revision;
  // Comparing takes about as long as making the picture does.
  const base::Nanos rest = std::min(2 * kShare * picture.cost, kRepeat);
  rest_until_ = now.mono + rest;
  if (!changed && observation_ > 0 && now.mono < sent_at_ + kRepeat) return {};
  if (pages.empty()) pages.emplace_back();
  ++observation_;
  sent_at_ = now.mono;
  if (changed) told_at_ = now.mono;
  for (wire::Changes& page : pages) {
    page.observation = observation_;
    page.last = &page == &pages.back();
    page.revision = picture.revision;
    page.leader_epoch = picture.leader_epoch;
    page.now_ms = now.wall.value();
    page.log_feature_level = picture.log_feature_level;
    page.disk_used_bytes = picture.disk_used_bytes;
    page.disk_free_bytes = picture.disk_free_bytes;
    page.disk_low = picture.disk_low;
    page.server_keys = picture.server_keys;
    page.sessions_to_move = picture.sessions_to_move;
  }
  return pages;
}

}  // namespace sluice::frontend
