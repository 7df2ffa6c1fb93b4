#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/cover.h"
#include "base/prng.h"
#include "tests/sim/broker/bugs.h"
#include "tests/sim/broker/sim_options.h"
#include "tests/sim/broker/workloads.h"
#include "tests/sim/broker/world.h"
#include "tests/sim/sim_main.h"

// The section of the COVER marks, by the linker's names; null where there is none.
extern "C" {
extern const sluice::base::CoverMark __start_sluice_cover[] __attribute__((weak));
extern const sluice::base::CoverMark __stop_sluice_cover[] __attribute__((weak));
}

namespace sluice::sim {
namespace {

std::set<Fault> faults_of(const Request& request) {
  std::set<Fault> faults;
  if (request.no_faults) return faults;
  if (request.faults.empty()) return {all_faults().begin(), all_faults().end()};
  for (const std::string& name : request.faults) faults.insert(*fault_from(name));
  return faults;
}

Outcome run(const Request& request) {
  const Workload& workload = request.workload.empty()
                                 ? workloads()[request.seed % workloads().size()]
                                 : *find_workload(request.workload);
  SimOptions options =
      draw_options(request.seed, std::string(workload.name), faults_of(request), workload.forced);
  options.bug = request.bug;
  std::uint64_t& segment_bytes = options.broker.log.segment_bytes;
  segment_bytes = std::max(segment_bytes, workload.segment_bytes_min);
  if (workload.told) options.watched = options.told = true;
  options.guarded |= workload.guarded;
  Outcome outcome;
  outcome.drawn = describe(options);
  note_drawn(outcome.drawn);
  World world(options);
  base::Prng prng(request.seed, "workload");
  workload.set_up(world, prng);
  outcome.verdict = world.run();
  for (const std::string& complaint : world.complaints()) {
    outcome.what += (outcome.what.empty() ? "" : "\n  ") + complaint;
  }
  outcome.summary = options.workload + ": " + world.summary();
  outcome.hash = world.hash();
  return outcome;
}

// Between the marks of two files the linker may leave a gap of zeros.
std::set<std::string> cover_marks() {
  std::set<std::string> all;
  const auto* at = reinterpret_cast<const std::byte*>(__start_sluice_cover);
  const auto* const end = reinterpret_cast<const std::byte*>(__stop_sluice_cover);
  while (at < end) {
    const auto* const mark = reinterpret_cast<const base::CoverMark*>(at);
    if (mark->name == nullptr) {
      at += alignof(base::CoverMark);
      continue;
    }
    all.insert(mark->name);
    at += sizeof(base::CoverMark);
  }
  return all;
}

std::vector<std::string> never_covered() {
  std::vector<std::string> never;
  for (const std::string& name : cover_marks()) {
    if (!World::covered().contains(name)) never.push_back(name);
  }
  return never;
}

void tell_cover() {
  const std::set<std::string> all = cover_marks();
  const auto& covered = World::covered();
  for (const std::string& name : all) {
    const auto found = covered.find(name);
    std::printf("cover: %llu %s\n",
                found == covered.end() ? 0ULL : static_cast<unsigned long long>(found->second),
                name.c_str());
  }
}

Program program() {
  Program program;
  program.name = "broker_sim";
  program.about =
      "The broker and the client library on a simulated clock, disk and network: whatever a seed "
      "draws goes wrong, then nothing does, and everything has to drain.";
  for (const Workload& one : workloads()) {
    program.workloads.push_back({std::string(one.name), std::string(one.what)});
  }
  for (const Fault fault : all_faults())
    program.faults.push_back({std::string(to_string(fault)), ""});
  for (const Bug& one : bugs()) {
    program.bugs.push_back(
        {std::string(one.name), std::string(one.what), std::string(one.found_by)});
  }
  program.run = run;
  program.tell_cover = tell_cover;
  program.never_covered = never_covered;
  return program;
}

}  // namespace
}  // namespace sluice::sim

int main(int argc, char** argv) {
  return sluice::sim::sim_main(sluice::sim::program(), argc, argv);
}
