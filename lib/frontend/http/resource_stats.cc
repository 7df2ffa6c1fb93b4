#include "frontend/http/resource_stats.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <memory>
#include <sstream>
#include <string>

namespace sluice::frontend::http {
namespace {

// A file of /proc, made when it is read, so its size is not known before. Empty where there is
// none.
std::string read_proc(const char* path) {
  constexpr std::size_t kBytesMax = 1024 * 1024;
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path, "re"), &std::fclose);
  std::string text;
  std::array<char, 4096> buffer{};
  while (file && text.size() < kBytesMax) {
    const std::size_t count = std::fread(buffer.data(), 1, buffer.size(), file.get());
    if (count == 0) break;
    text.append(buffer.data(), count);
  }
  return text;
}

std::uint64_t count_open_fds() {
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(opendir("/proc/self/fd"), &closedir);
  if (!folder) return 0;
  std::uint64_t count = 0;
  while (readdir(folder.get()) != nullptr) ++count;
  // ".", ".." and the folder that was opened to count.
  constexpr std::uint64_t kOthers = 3;
  return count > kOthers ? count - kOthers : 0;
}

double to_seconds(const timeval& time) {
  constexpr double kMicrosPerSecond = 1e6;
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / kMicrosPerSecond;
}

// Field `number` of /proc/self/stat, counted from 1 as in proc(5). The second one, the program's
// name in brackets, may hold spaces, so counting begins behind it.
std::uint64_t stat_field(const std::string& stat, int number) {
  const std::size_t bracket = stat.rfind(')');
  if (bracket == std::string::npos) return 0;
  std::istringstream fields(stat.substr(bracket + 1));
  std::string field;
  for (int i = 2; i < number && fields >> field; ++i) {
  }
  std::uint64_t value = 0;
  std::istringstream(field) >> value;
  return value;
}

double start_seconds() {
  constexpr int kStartTime = 22;
  const std::uint64_t ticks = stat_field(read_proc("/proc/self/stat"), kStartTime);
  const std::string stat = read_proc("/proc/stat");
  std::uint64_t boot = 0;
  const std::size_t at = stat.find("\nbtime ");
  if (at != std::string::npos) std::istringstream(stat.substr(at + 7)) >> boot;
  const long ticks_per_second = sysconf(_SC_CLK_TCK);
  if (ticks == 0 || boot == 0 || ticks_per_second <= 0) return 0;
  return static_cast<double>(boot) +
         static_cast<double>(ticks) / static_cast<double>(ticks_per_second);
}

}  // namespace

ResourceStats read_resource_stats() {
  ResourceStats stats;
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) == 0) {
    stats.cpu_seconds = to_seconds(usage.ru_utime) + to_seconds(usage.ru_stime);
  }
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) stats.max_fds = files.rlim_cur;
  const long page = sysconf(_SC_PAGESIZE);
  std::uint64_t pages = 0;
  std::uint64_t resident_pages = 0;
  std::istringstream(read_proc("/proc/self/statm")) >> pages >> resident_pages;
  if (page > 0) stats.resident_bytes = resident_pages * static_cast<std::uint64_t>(page);
  stats.open_fds = count_open_fds();
  static const double kStartSeconds = start_seconds();
  stats.start_seconds = kStartSeconds;
  return stats;
}

}  // namespace sluice::frontend::http
