#include "runtime/crash_plan.h"

#include <limits>
#include <utility>

namespace sluice::runtime {
namespace {

// A pure function of the sector, so that a copied plan decides the same.
auto draw_fates(std::uint64_t seed, double keep, double garble) {
  return [seed, keep, garble](const UnsyncedSector& sector) {
    base::Prng prng(seed + sector.index, sector.path);
    if (prng.chance(garble)) {
      return sector.holds_synced ? SectorFate::kLost : SectorFate::kGarbled;
    }
    return prng.chance(keep) ? SectorFate::kKept : SectorFate::kLost;
  };
}

}  // namespace

CrashPlan CrashPlan::keep_all() {
  CrashPlan plan;
  plan.sector = [](const UnsyncedSector&) { return SectorFate::kKept; };
  plan.sizes_kept = true;
  plan.keep_folder_changes(std::numeric_limits<std::uint64_t>::max());
  return plan;
}

CrashPlan CrashPlan::keep_prefix(std::uint64_t bytes) {
  CrashPlan plan;
  plan.prefix_bytes = bytes;
  return plan;
}

CrashPlan CrashPlan::keep_sectors(std::vector<bool> mask) {
  CrashPlan plan;
  plan.sector = [mask = std::move(mask)](const UnsyncedSector& unsynced) {
    const bool kept = unsynced.ordinal < mask.size() && mask[unsynced.ordinal];
    return kept ? SectorFate::kKept : SectorFate::kLost;
  };
  return plan;
}

CrashPlan CrashPlan::draw(base::Prng& prng, std::uint64_t unsynced_bytes,
                          std::uint64_t unsynced_folder_changes) {
  CrashPlan plan;
  plan.garble_seed = prng.next();
  const double kind = prng.unit();
  if (kind < 0.15) {
    plan = lose_unsynced();
  } else if (kind < 0.3) {
    plan = keep_all();
  } else if (kind < 0.6) {
    plan.prefix_bytes = prng.below(unsynced_bytes + 1);
  } else {
    const double garble = prng.chance(0.5) ? 0 : 0.2;
    plan.sector = draw_fates(prng.next(), prng.unit(), garble);
    plan.sizes_kept = prng.chance(0.5);
  }
  return plan.keep_folder_changes(prng.below(unsynced_folder_changes + 1));
}

CrashPlan& CrashPlan::keep_folder_changes(std::uint64_t count) {
  folder_change_kept = [count](const UnsyncedFolderChange& change) {
    return change.ordinal < count;
  };
  return *this;
}

}  // namespace sluice::runtime
