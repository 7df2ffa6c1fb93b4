#include "sidecar/manifest_files.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <system_error>

#include "base/log.h"
#include "operator/api/manifest.h"
#include "wire/manifest_revision.h"

namespace sluice::sidecar {
namespace {

namespace fs = std::filesystem;

constexpr std::uintmax_t kManifestBytesMax = 4U << 20;

bool is_manifest_name(const fs::path& path) {
  const std::string extension = path.extension().string();
  return extension == ".yaml" || extension == ".yml" || extension == ".json";
}

// Kubernetes mounts a ConfigMap as links into a folder "..data"; names that begin with a dot are
// its bookkeeping.
bool is_hidden(const fs::path& path) { return path.filename().string().starts_with('.'); }

base::Result<std::vector<std::string>> expand(const std::string& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) return base::not_found(path + ": no such file or folder");
  if (!fs::is_directory(status)) return std::vector<std::string>{path};
  std::vector<std::string> files;
  for (fs::directory_iterator at(path, error), end; !error && at != end; at.increment(error)) {
    const fs::path& file = at->path();
    if (is_hidden(file) || !is_manifest_name(file) || !fs::is_regular_file(file)) continue;
    files.push_back(file.string());
  }
  if (error) return base::not_found(path + ": cannot be listed: " + error.message());
  if (files.empty()) {
    base::log_warn("no_manifests", {{"folder", path}, {"expected", "*.yaml, *.yml or *.json"}});
  }
  std::sort(files.begin(), files.end());
  return files;
}

base::Result<std::string> read_text(const std::string& file) {
  std::error_code error;
  const std::uintmax_t bytes = fs::file_size(file, error);
  if (!error && bytes > kManifestBytesMax) {
    return base::invalid_argument(file + ": a manifest has at most 4 MiB");
  }
  std::ifstream in(file, std::ios::binary);
  if (!in) return base::not_found(file + ": cannot be read");
  std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  if (in.bad()) return base::not_found(file + ": cannot be read");
  return text;
}

void add_line(std::string& lines, const std::string& line) {
  if (!lines.empty() && lines.back() != '\n') lines += '\n';
  lines += line;
}

}  // namespace

std::string LoadedQueue::place() const { return file + ":" + std::to_string(queue.line); }

base::Result<std::vector<LoadedQueue>> load_manifests(const std::vector<std::string>& paths) {
  std::vector<LoadedQueue> loaded;
  std::map<std::string, std::string> places;
  std::string problems;
  for (const std::string& path : paths) {
    ASSIGN_OR_RETURN(const std::vector<std::string> files, expand(path));
    for (const std::string& file : files) {
      ASSIGN_OR_RETURN(const std::string text, read_text(file));
      auto queues = api::parse_queues(file, text);
      if (!queues.has_value()) {
        add_line(problems, queues.error().message());
        continue;
      }
      const std::uint64_t revision =
          queues->size() == 1 ? wire::manifest_revision(text) : std::uint64_t{0};
      for (api::Queue& queue : *queues) {
        LoadedQueue one{file, std::move(queue), revision};
        const std::string& name = one.queue.metadata.name;
        const auto [known, is_new] = places.emplace(name, one.place());
        if (!is_new) {
          add_line(problems, one.place() + ": metadata.name: \"" + name + "\" stands at " +
                                 known->second + " already");
        }
        loaded.push_back(std::move(one));
      }
    }
  }
  if (!problems.empty()) return base::invalid_argument(problems);
  return loaded;
}

}  // namespace sluice::sidecar
