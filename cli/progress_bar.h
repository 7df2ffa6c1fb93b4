#pragma once

#include <cstdint>
#include <string>

#include "base/time.h"
#include "runtime/posix/system_clock.h"

namespace sluice::cli {

// How far long work is, on stderr while that is a terminal, else nothing at all.
class ProgressBar {
 public:
  // `total` 0 = unknown: shows the count only.
  ProgressBar(std::string label, std::uint64_t total);
  // Takes itself off the screen.
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  // Cheap; draws at most ten times a second.
  void show(std::uint64_t done);

 private:
  runtime::SystemClock clock_;
  std::string label_;
  std::uint64_t total_;
  bool enabled_;
  bool drawn_ = false;
  base::MonoTime next_;
};

// The bar itself: "label [=====>    ]  52 %  1,234 of 2,345".
std::string render_progress(const std::string& label, std::uint64_t done, std::uint64_t total);

}  // namespace sluice::cli
