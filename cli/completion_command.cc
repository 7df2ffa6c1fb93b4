#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
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

// The options of a command and of its option groups, in their order, without hidden ones.
std::vector<const CLI::Option*> visible_options(const CLI::App& app) {
  std::vector<const CLI::Option*> options;
  for (const CLI::Option* option : app.get_options()) {
    if (!option->get_group().empty()) options.push_back(option);
  }
  const auto is_group = [](const CLI::App* command) { return command->get_name().empty(); };
  for (const CLI::App* group : app.get_subcommands(is_group)) {
    for (const CLI::Option* option : visible_options(*group)) options.push_back(option);
  }
  return options;
}

// What stands behind a flag, or in the place of a word without one.
struct Expected {
  enum class Kind { kNothing, kAnything, kWords, kFiles, kFolders, kQueues };
  Kind kind = Kind::kNothing;
  std::string words;  // with kWords
};

Expected expected(const CLI::Option& option) {
  using Kind = Expected::Kind;
  if (option.get_items_expected_max() == 0) return {};
  const std::string type = option.get_type_name();
  const std::size_t brace = type.find('{');
  if (brace != std::string::npos) {
    std::string words = type.substr(brace + 1, type.find('}') - brace - 1);
    std::replace(words.begin(), words.end(), ',', ' ');
    return {Kind::kWords, std::move(words)};
  }
  if (type.starts_with("FILE")) return {Kind::kFiles, ""};
  if (type.starts_with("DIR")) return {Kind::kFolders, ""};
  if (!option.get_positional()) return {Kind::kAnything, ""};
  // Of a cluster, which is not asked: that takes too long.
  if (type == "OBJECT") return {Kind::kAnything, ""};
  const std::string& name = option.get_single_name();
  if (name == "queue" || name == "from" || name == "to") return {Kind::kQueues, ""};
  return {name == "folder" ? Kind::kFolders : Kind::kAnything, ""};
}

std::vector<std::string> flags_of(const CLI::Option& option) {
  std::vector<std::string> flags;
  for (const std::string& name : option.get_lnames()) flags.push_back("--" + name);
  for (const std::string& name : option.get_snames()) flags.push_back("-" + name);
  return flags;
}

// --- bash and zsh.

// "kind=words values='a b'".
std::string assignment(const Expected& expected) {
  switch (expected.kind) {
    case Expected::Kind::kNothing:
      return "";
    case Expected::Kind::kAnything:
      return "kind=anything";
    case Expected::Kind::kWords:
      return "kind=words values='" + expected.words + "'";
    case Expected::Kind::kFiles:
      return "kind=files";
    case Expected::Kind::kFolders:
      return "kind=folders";
    case Expected::Kind::kQueues:
      return "kind=queues";
  }
  return "";
}

// The tables of the script, of `app` and what is below it.
struct BashTables {
  std::string paths;   // of commands, as alternatives
  std::string words;   // cases: what may stand anywhere in a command
  std::string values;  // cases: what is behind a flag, or a word's place
};

// The flags of the program itself may stand behind any command.
void append_bash(const CLI::App& app, const std::string& path, BashTables& tables) {
  std::string words;
  int place = 0;
  for (const CLI::Option* option : visible_options(app)) {
    const std::vector<std::string> flags = flags_of(*option);
    for (const std::string& flag : flags) words += flag + " ";
    const std::string value = assignment(expected(*option));
    if (value.empty()) continue;
    const auto add = [&](const std::string& prefix, const std::string& word) {
      tables.values.append(prefix).append(word).append("') ").append(value).append(" ;;\n");
    };
    if (flags.empty()) add("    '" + path + " ", std::to_string(place++));
    for (const std::string& flag : flags) {
      add(path.empty() ? "    *' " : "    '" + path + " ", flag);
    }
  }
  for (const CLI::App* command : visible_commands(app)) words += command->get_name() + " ";
  tables.words += "    '" + path + "') offered='" + words + "' ;;\n";
  for (const CLI::App* command : visible_commands(app)) {
    const std::string inner = path.empty() ? command->get_name() : path + " " + command->get_name();
    tables.paths += (tables.paths.empty() ? "'" : "|'") + inner + "'";
    append_bash(*command, inner, tables);
  }
}

// Walked rather than listed, so that the script is never behind the commands. A word is a command
// only where one may stand: a queue may be called `log`. Zsh runs this too, with a compgen that
// filters nothing, and without mapfile; `path` and `words` are its own. Bash cuts words at : and =
// too, and wants only what comes behind the cut: whether blanks are between two words, the line
// tells. Kubectl has no line, and wants the value alone. Names of queues are asked for at the
// broker of the environment, which is given little time for it, and not where the line names
// another one.
std::string bash_script(const CLI::App& root) {
  BashTables tables;
  append_bash(root, "", tables);
  return "_sluice_queues() { sluice --timeout 0.3 queue list 2>/dev/null; }\n"
         "_sluice_expected() {\n"
         "  kind='' values=''\n"
         "  case $1 in\n" +
         tables.values +
         "  esac\n"
         "}\n"
         "_sluice_take() {\n"
         "  if [[ -n $kind ]]; then kind=''; return; fi\n"
         "  case $1 in\n"
         "    -n*|--namespace*|--context*|--kubeconfig*|--endpoint*|--keys*) elsewhere=yes ;;\n"
         "  esac\n"
         "  case $1 in\n"
         "    -*=*) ;;\n"
         "    -*) _sluice_expected \"$chain $1\" ;;\n"
         "    *) case \"${chain:+$chain }$1\" in\n"
         "      " +
         tables.paths +
         ") chain=\"${chain:+$chain }$1\" ;;\n"
         "      *) place=$((place+1)) ;;\n"
         "      esac ;;\n"
         "  esac\n"
         "}\n"
         "_sluice() {\n"
         "  local rest=${COMP_LINE-} current='' cut='' lead='' chain='' elsewhere='' offered=''\n"
         "  local place=0 kind=anything values='' word\n"
         "  rest=${rest#*\"${COMP_WORDS[0]}\"}\n"
         "  for word in \"${COMP_WORDS[@]:1:$COMP_CWORD}\"; do\n"
         "    case $rest in\n"
         "      [![:space:]]*) cut=$current current=$current$word ;;\n"
         "      *) _sluice_take \"$current\"; cut='' current=$word ;;\n"
         "    esac\n"
         "    rest=${rest#*\"$word\"}\n"
         "  done\n"
         "  [[ -z $cut || $word != [:=]* ]] || cut=$current\n"
         "  if [[ -z $kind ]]; then\n"
         "    case $current in -*=*)\n"
         "      lead=${current%%=*}=\n"
         "      _sluice_expected \"$chain ${lead%=}\"\n"
         "      kind=${kind:-anything}\n"
         "      [[ -n ${COMP_LINE-} ]] || cut=$lead ;;\n"
         "    esac\n"
         "  fi\n"
         "  if [[ -z $kind ]]; then\n"
         "    case $chain in\n" +
         tables.words +
         "    esac\n"
         "    [[ $current == -* ]] || _sluice_expected \"$chain $place\"\n"
         "  fi\n"
         "  [[ $kind != queues || -n $elsewhere ]] || values=$(_sluice_queues)\n"
         "  COMPREPLY=()\n"
         "  for word in $values $offered; do\n"
         "    word=$lead$word\n"
         "    [[ $word == \"$current\"* ]] && COMPREPLY+=(\"${word#\"$cut\"}\")\n"
         "  done\n"
         "  case $kind in files) kind=-f ;; folders) kind=-d ;; *) return 0 ;; esac\n"
         "  while IFS= read -r word; do\n"
         "    word=$lead$word\n"
         "    COMPREPLY+=(\"${word#\"$cut\"}\")\n"
         "  done < <(compgen $kind -- \"${current#\"$lead\"}\")\n"
         "}\n"
         "complete -o filenames -F _sluice sluice\n";
}

// --- fish.

std::string fish_arguments(const Expected& expected) {
  switch (expected.kind) {
    case Expected::Kind::kNothing:
      return "";
    case Expected::Kind::kAnything:
      return " -x";
    case Expected::Kind::kWords:
      return " -x -a '" + expected.words + "'";
    case Expected::Kind::kFiles:
      return " -r -F";
    case Expected::Kind::kFolders:
      return " -x -a '(__fish_complete_directories)'";
    case Expected::Kind::kQueues:
      return " -f -a '(__sluice_queues)'";
  }
  return "";
}

void append_fish(const CLI::App& app, const std::string& condition, std::string& script) {
  const std::string begin = "complete -c sluice -n '" + condition + "'";
  for (const CLI::Option* option : visible_options(app)) {
    script += begin;
    for (const std::string& name : option->get_lnames()) script += " -l " + name;
    for (const std::string& name : option->get_snames()) script += " -s " + name;
    script += fish_arguments(expected(*option)) + "\n";
  }
  for (const CLI::App* command : visible_commands(app)) {
    script += begin + " -f -a " + command->get_name() + "\n";
    std::string seen = app.get_parent() == nullptr ? "" : condition + "; and ";
    seen.append("__fish_seen_subcommand_from ").append(command->get_name());
    append_fish(*command, seen, script);
  }
}

// A program that kubectl runs with the words typed so far; its last line is a directive of cobra's:
// nothing special.
std::string kubectl_script() {
  return "#!/usr/bin/env bash\n"
         "# Install as kubectl_complete-sluice somewhere in PATH.\n"
         "source <(kubectl-sluice completion bash)\n"
         "unset COMP_LINE\n"
         "_sluice_queues() { :; }  # a way into the cluster takes too long\n"
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
  std::string script =
      "function __sluice_queues\n"
      "  string match -qr -- '^(-n|--(namespace|context|kubeconfig|endpoint|keys))' "
      "(commandline -cpo)\n"
      "  or sluice --timeout 0.3 queue list 2>/dev/null\n"
      "end\n"
      "complete -c sluice -e\n";
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
