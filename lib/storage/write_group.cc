#include "storage/write_group.h"

#include <utility>

#include "storage/segment_log.h"

namespace sluice::storage {

using base::ByteView;
using base::Status;

namespace {

// From so many bytes on the disk is busy for longer than it costs to tell it to begin.
constexpr std::size_t kBegunBytesMin = 512 * 1024;

}  // namespace

WriteGroup::WriteGroup(SegmentLog& log, runtime::FileSystem& fs, std::string folder)
    : log_(log), fs_(fs), folder_(std::move(folder)) {}

void WriteGroup::add_write(std::uint64_t offset, ByteView data) {
  bytes_ += data.size();
  if (!steps_.empty() && !steps_.back().next) {
    Step& last = steps_.back();
    const bool follows = last.offset + last.data.size() == offset;
    if (follows && last.data.data() + last.data.size() == data.data()) {
      last.data = ByteView(last.data.data(), last.data.size() + data.size());
      return;
    }
  }
  Step step;
  step.offset = offset;
  step.data = data;
  steps_.push_back(std::move(step));
}

void WriteGroup::add_roll(std::uint64_t offset, ByteView padding, const SegmentHeader& next,
                          SegmentSource source) {
  Step step;
  step.offset = offset;
  step.own.assign(padding.begin(), padding.end());
  step.next = next;
  step.source = std::move(source);
  steps_.push_back(std::move(step));
}

Status WriteGroup::run() {
  for (Step& step : steps_) {
    const ByteView data = step.next ? ByteView(step.own) : step.data;
    if (!data.empty()) RETURN_IF_ERROR(target_.file->write_at(step.offset, data));
    // The disk works while what follows is copied; the last step is synced right away.
    const bool begins = begins_early_ && needs_sync_ && data.size() >= kBegunBytesMin;
    if (begins && &step != &steps_.back()) {
      target_.file->begin_sync(step.offset, data.size());
    }
    if (step.next) RETURN_IF_ERROR(roll(step));
  }
  if (needs_sync_) RETURN_IF_ERROR(target_.file->sync_data());
  return {};
}

// The header of a segment promises that all before it is durable: hence the sync first.
Status WriteGroup::roll(Step& step) {
  RETURN_IF_ERROR(target_.file->sync_data());
  ASSIGN_OR_RETURN(target_, create_segment(fs_, folder_, *step.next, step.source));
  begun_.push_back(target_);
  return {};
}

std::vector<std::string> WriteGroup::unused_reserve() const {
  std::vector<std::string> paths;
  for (const Step& step : steps_) {
    if (step.source.reserve_file) paths.push_back(*step.source.reserve_file);
  }
  return paths;
}

void WriteGroup::finish(const Status& status) { log_.complete(*this, status); }

}  // namespace sluice::storage
