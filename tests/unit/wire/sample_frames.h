#pragma once

#include <string>
#include <vector>

#include "wire/frame.h"

namespace sluice::wire {

struct SampleFrame {
  std::string name;  // of the golden file
  Frame frame;
};

// At least one of every frame type, each field with a value of its own. Views point to statics.
std::vector<SampleFrame> sample_frames();

std::vector<std::byte> encoded(const Frame& frame);

}  // namespace sluice::wire
