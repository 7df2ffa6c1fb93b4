#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "cli/commands.h"

namespace sluice::cli {
namespace {

// Without option groups, which are commands to the library, and without hidden ones.
std::vector<const CLI::App*> visible_commands(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App* command) {
    return !command->get_name().empty() && !command->get_group().empty();
  });
}

// The options of a command and of its option groups.
std::vector<const CLI::Option*> visible_options(const CLI::App& app) {
  std::vector<const CLI::Option*> options = app.get_options();
  const auto is_group = [](const CLI::App* command) { return command->get_name().empty(); };
  for (const CLI::App* group : app.get_subcommands(is_group)) {
    for (const CLI::Option* option : visible_options(*group)) options.push_back(option);
  }
  return options;
}

// "--a --b -f sub1 sub2": what may follow the command `app` stands for.
std::string words_of(const CLI::App& app) {
  std::string words;
  for (const CLI::Option* option : visible_options(app)) {
    for (const std::string& name : option->get_lnames()) words += "--" + name + " ";
    for (const std::string& name : option->get_snames()) words += "-" + name + " ";
  }
  for (const CLI::App* command : visible_commands(app)) words += command->get_name() + " ";
  return words;
}

void append_case(const CLI::App& app, const std::string& path, std::string& cases) {
  cases += "    '" + path + "') words='" + words_of(app) + "' ;;\n";
  for (const CLI::App* command : visible_commands(app)) {
    append_case(*command, path.empty() ? command->get_name() : path + " " + command->get_name(),
                cases);
  }
}

void append_paths(const CLI::App& app, const std::string& path, std::string& paths) {
  for (const CLI::App* command : visible_commands(app)) {
    const std::string inner = path.empty() ? command->get_name() : path + " " + command->get_name();
    paths += (paths.empty() ? "'" : "|'") + inner + "'";
    append_paths(*command, inner, paths);
  }
}

// Walked rather than listed, so that the script is never behind the commands. A word is a command
// only where one may stand: a queue may be called `log`. Zsh runs this too, with a compgen that
// filters nothing, and without mapfile.
std::string bash_script(const CLI::App& root) {
  std::string cases;
  append_case(root, "", cases);
  std::string paths;
  append_paths(root, "", paths);
  return "_sluice() {\n"
         "  local current=${COMP_WORDS[COMP_CWORD]} path='' words='' word\n"
         "  for word in \"${COMP_WORDS[@]:1:$((COMP_CWORD-1))}\"; do\n"
         "    case \"${path:+$path }$word\" in " +
         paths +
         ") path=\"${path:+$path }$word\" ;; esac\n"
         "  done\n"
         "  case $path in\n" +
         cases +
         "  esac\n"
         "  COMPREPLY=()\n"
         "  for word in $words; do\n"
         "    [[ $word == \"$current\"* ]] && COMPREPLY+=(\"$word\")\n"
         "  done\n"
         "  [[ ${#COMPREPLY[@]} -eq 0 ]] || return 0\n"
         "  while IFS= read -r word; do\n"
         "    COMPREPLY+=(\"$word\")\n"
         "  done < <(compgen -f -- \"$current\")\n"
         "}\n"
         "complete -o filenames -F _sluice sluice\n";
}

void append_fish(const CLI::App& app, const std::string& condition, std::string& script) {
  for (const CLI::Option* option : visible_options(app)) {
    script += "complete -c sluice -n '" + condition + "'";
    for (const std::string& name : option->get_lnames()) script += " -l " + name;
    for (const std::string& name : option->get_snames()) script += " -s " + name;
    script += "\n";
  }
  for (const CLI::App* command : visible_commands(app)) {
    script += "complete -c sluice -n '" + condition + "' -a " + command->get_name() + "\n";
    append_fish(*command, "__fish_seen_subcommand_from " + command->get_name(), script);
  }
}

// A program that kubectl runs with the words typed so far; its last line is a directive of cobra's:
// nothing special.
std::string kubectl_script() {
  return "#!/usr/bin/env bash\n"
         "# Install as kubectl_complete-sluice somewhere in PATH.\n"
         "source <(kubectl-sluice completion bash)\n"
         "COMP_WORDS=(sluice \"$@\")\n"
         "COMP_CWORD=$#\n"
         "_sluice\n"
         "[[ ${#COMPREPLY[@]} -eq 0 ]] || printf '%s\\n' \"${COMPREPLY[@]}\"\n"
         "echo ':0'\n";
}

std::string script_for(const std::string& shell, const CLI::App& root) {
  if (shell == "kubectl") return kubectl_script();
  if (shell == "bash") return bash_script(root);
  if (shell == "zsh") {
    return "autoload -U +X bashcompinit && bashcompinit\n" + bash_script(root);
  }
  std::string script = "complete -c sluice -e\n";
  append_fish(root, "__fish_use_subcommand", script);
  return script;
}

}  // namespace

void add_completion_command(CLI::App& app, Context& /*context*/, int& /*exit_code*/) {
  auto shell = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("completion", "Print a completion script for a shell");
  command->add_option("shell", *shell, "Which shell")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish", "kubectl"}));
  command->footer(
      "Examples:\n"
      "  sluice completion bash > /etc/bash_completion.d/sluice\n"
      "  source <(sluice completion bash)\n"
      "  sluice completion kubectl > ~/.local/bin/kubectl_complete-sluice\n"
      "  chmod +x ~/.local/bin/kubectl_complete-sluice");
  command->callback([shell, &app] { std::fputs(script_for(*shell, app).c_str(), stdout); });
}

}  // namespace sluice::cli
