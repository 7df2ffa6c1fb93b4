#include "cli/scaling/policy_file.h"

#include <fstream>
#include <iterator>
#include <vector>

#include "operator/api/manifest.h"

namespace sluice::cli::scaling {

base::Result<std::string> read_text_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  if (!in) return base::not_found("cannot read " + path);
  return text;
}

base::Result<NamedPolicy> read_policy(const std::string& path, const std::string& queue,
                                      const std::string& subscription) {
  ASSIGN_OR_RETURN(const std::string text, read_text_file(path));
  ASSIGN_OR_RETURN(const std::vector<api::Queue> queues, api::parse_queues(path, text));
  std::vector<NamedPolicy> found;
  std::string names;
  for (const api::Queue& one : queues) {
    for (const api::Subscription& of : one.spec.subscriptions) {
      if (!of.consumers) continue;
      if (!queue.empty() && queue != one.metadata.name) continue;
      if (!subscription.empty() && subscription != of.name) continue;
      found.push_back({one.metadata.name, of.name, *of.consumers});
      names += (names.empty() ? "" : ", ") + one.metadata.name + "/" + of.name;
    }
  }
  if (found.empty()) {
    return base::invalid_argument(path + ": no such queue and subscription with consumers");
  }
  if (found.size() > 1) {
    return base::invalid_argument(path + ": there are several (" + names +
                                  "); choose with --queue and --subscription");
  }
  return found.front();
}

}  // namespace sluice::cli::scaling
