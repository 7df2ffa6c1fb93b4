#include "cli/progress_bar.h"

#include <algorithm>
#include <cstdio>

#include "cli/format.h"
#include "cli/terminal.h"

namespace sluice::cli {
namespace {

constexpr std::uint64_t kCells = 30;
constexpr base::Millis kBetween{100};
constexpr char kClearLine[] = "\r\033[K";

}  // namespace

std::string render_progress(const std::string& label, std::uint64_t done, std::uint64_t total) {
  if (total == 0) return label + "  " + format_count(done);
  const double part = std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
  const auto filled = static_cast<std::size_t>(part * static_cast<double>(kCells));
  std::string bar(filled, '=');
  if (filled < kCells) bar += '>';
  bar.resize(kCells, ' ');
  std::string percent = std::to_string(static_cast<int>(part * 100));
  percent.insert(0, 3 - std::min<std::size_t>(3, percent.size()), ' ');
  return label + " [" + bar + "] " + percent + " %  " + format_count(done) + " of " +
         format_count(total);
}

ProgressBar::ProgressBar(std::string label, std::uint64_t total)
    : label_(std::move(label)), total_(total), enabled_(stderr_is_terminal()) {}

ProgressBar::~ProgressBar() {
  if (drawn_) std::fputs(kClearLine, stderr);
}

void ProgressBar::show(std::uint64_t done) {
  if (!enabled_) return;
  const base::MonoTime now = clock_.mono_now();
  if (now < next_) return;
  next_ = now + kBetween;
  drawn_ = true;
  std::fprintf(stderr, "%s%s", kClearLine, render_progress(label_, done, total_).c_str());
  std::fflush(stderr);
}

}  // namespace sluice::cli
