#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kube/credentials.h"
#include "kube/json.h"
#include "runtime/clock.h"

namespace sluice::kube {

// A program that gives credentials (client.authentication.k8s.io/v1), as a kubeconfig names it.
struct ExecPlugin {
  std::string command;
  std::vector<std::string> arguments;
  std::vector<std::pair<std::string, std::string>> environment;  // on top of ours
  std::string install_hint;  // what the kubeconfig says to who does not have the program
  Json cluster;              // of KUBERNETES_EXEC_INFO; null = the plugin does not want it
};

struct Program {
  std::string path;  // looked for in PATH where it has no '/'
  std::vector<std::string> arguments;
  std::vector<std::pair<std::string, std::string>> environment;
};
// Runs a program to its end and gives what it wrote to standard output. The error tells how it
// ended, or that it took too long.
using RunProgram = std::function<base::Result<std::string>(const Program& program)>;

// The plugin is run for the first request, when what it gave has expired, and when the server
// refused it. Whom to trust is asked of `cluster`. `clock` must outlive it.
std::unique_ptr<Credentials> make_exec_credentials(ExecPlugin plugin,
                                                   std::unique_ptr<Credentials> cluster,
                                                   RunProgram run, const runtime::Clock& clock);

}  // namespace sluice::kube
