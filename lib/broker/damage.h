#pragma once

#include "base/time.h"
#include "broker/core.h"

// Messages that the disk has lost: counted, passed by, discarded by command only.
namespace sluice::broker {

// From it on the log may hold what is in quarantine.
inline constexpr std::uint32_t kDamagedLevel = 2;

// `ranges` cannot be read; their bytes lay in [begin, end), where that is known. Below feature
// level 2 they are only passed over until the next start.
void quarantine(Core& core, base::Now now, Subscription& subscription, const Ranges& ranges,
                base::Lsn begin = base::Lsn(), base::Lsn end = base::Lsn());

// Finds out which messages of `range` cannot be read, and quarantines those for every subscription
// that still has them. Reads what it looks at.
void look_for_damage(Core& core, base::Now now, Stream& stream, base::SequenceRange range,
                     base::Lsn begin, base::Lsn end);

// At a start: the same for what replay had doubts about, and another look at what is in quarantine:
// the file may have been repaired meanwhile.
void look_again(Core& core, base::Now now);

void discard_damaged(Core& core, base::Now now, const DiscardDamaged& command);

}  // namespace sluice::broker
