#!/usr/bin/env python3
"""Plants one violation of each rule, and its nearest allowed neighbour: a rule that cannot fail
checks nothing."""

import unittest

import promises
import rules
import source
import table

LATER = "TO" + "DO"
MEND = "FIX" + "ME"


def found(rule, texts):
    """[(path, line)] of what `rule` says of a tree of these texts."""
    return [(path, line) for path, line, _ in rules.ALL[rule](source.Tree.of_texts(texts))]


class RulesTest(unittest.TestCase):
    def fails(self, rule, path, text, line=1, **others):
        self.assertEqual(found(rule, {path: text, **others}), [(path, line)], f"{rule}: {text!r}")

    def passes(self, rule, path, text, **others):
        self.assertEqual(found(rule, {path: text, **others}), [], f"{rule}: {text!r}")

    def test_every_rule_has_a_test_here(self):
        for rule in rules.ALL:
            self.assertTrue(hasattr(self, f"test_{rule}"), rule)

    def test_include_direction(self):
        rule = "include_direction"
        self.fails(rule, "lib/base/a.h", '#include "broker/broker.h"\n')
        self.fails(rule, "lib/broker/a.cc", '\n#include "wire/frames.h"\n', line=2)
        self.fails(rule, "lib/storage/a.cc", '#  include <broker/broker.h>\n')
        self.fails(rule, "operator/api/a.cc", '#include "runtime/clock.h"\n')
        self.fails(rule, "lib/client/a.cc", '#include "storage/log.h"\n')
        self.fails(rule, "cli/a.cc", '#include "broker/broker.h"\n')
        self.fails(rule, "lib/base/a.cc", '#include "tests/support/status_matchers.h"\n')
        self.fails(rule, "lib/base/a.cc", '#include "a.h"\n')
        self.fails(rule, "lib/base/a.cc", '#include "../wire/a.h"\n')
        self.fails(rule, "lib/unheard_of/a.cc", "\n")
        self.passes(rule, "lib/broker/a.cc", '#include "storage/log.h"\n#include <vector>\n')
        self.passes(rule, "lib/broker/a.cc", '// #include "wire/frames.h"\n')
        self.passes(rule, "lib/broker/a.cc", '/*\n#include "wire/frames.h"\n*/\n')
        self.passes(rule, "tests/unit/broker/a.cc", '#include "frontend/zmq_router.h"\n')
        self.passes(rule, "operator/api/a.cc", '#include "operator/api/a.h"\n')

    def test_include_home(self):
        rule = "include_home"
        self.fails(rule, "lib/broker/a.cc", "#include <zmq.hpp>\n")
        self.fails(rule, "lib/frontend/router.h", "#include <zmq.h>\n")
        self.fails(rule, "lib/frontend/a.cc", "#include <boost/beast.hpp>\n")
        self.fails(rule, "lib/frontend/http/a.h", "#include <boost/beast/http.hpp>\n")
        self.fails(rule, "lib/frontend/http/a.cc", "#include <cpprest/json.h>\n")
        self.fails(rule, "operator/api/queue.h", "#include <yaml-cpp/yaml.h>\n")
        self.fails(rule, "lib/frontend/a.cc", "#include <prometheus/registry.h>\n")
        self.fails(rule, "lib/storage/a.cc", "#include <nlohmann/json.hpp>\n")
        self.fails(rule, "lib/client/a.cc", "#include <CLI/CLI.hpp>\n")
        self.fails(rule, "lib/base/a.cc", "#include <gtest/gtest.h>\n")
        self.fails(rule, "lib/base/a.cc", "#include <benchmark/benchmark.h>\n")
        self.fails(rule, "lib/storage/a.cc", '#include "runtime/posix/system_clock.h"\n')
        self.fails(rule, "lib/broker/a.cc", '#include "runtime/file_system.h"\n')
        self.fails(rule, "lib/broker/a.cc", "#include <fstream>\n")
        self.passes(rule, "lib/frontend/zmq_router.h", "#include <zmq.hpp>\n")
        self.passes(rule, "lib/frontend/http/a.cc", "#include <boost/beast/http.hpp>\n")
        self.passes(rule, "lib/storage/a.cc", '#include "runtime/file_system.h"\n')
        self.passes(rule, "operator/api/yaml.cc", "#include <yaml-cpp/yaml.h>\n")

    def test_a_package_for_one_file_has_one_user(self):
        yaml = "#include <yaml-cpp/yaml.h>\n"
        self.assertEqual(
            found("include_home", {"operator/api/a.cc": yaml, "operator/api/b.cc": yaml}),
            [("operator/api/b.cc", 1)])

    def test_purity(self):
        rule = "purity"
        for token in (
                "std::chrono::steady_clock::now()", "std::chrono::system_clock::now()",
                "std::chrono::high_resolution_clock::now()", "std::chrono::file_clock::now()",
                "clock_gettime(CLOCK_REALTIME, &t)", "::gettimeofday(&t, nullptr)",
                "time(nullptr)", "std::time(&t)", "localtime_r(&t, &x)", "std::clock()",
                "std::this_thread::yield()", "sleep_for(x)", "sleep_until(x)", "::sleep(1)",
                "usleep(1)", "nanosleep(&t, nullptr)",
                "::poll(&p, 1, -1)", "::epoll_wait(e, x, 1, 1)",
                "::select(1, &r, 0, 0, 0)", "::alarm(1)",
                "std::random_device d", "rand()", "srand(1)", "random()", "drand48()",
                "getrandom(p, 1, 0)", "arc4random_uniform(2)", "std::mt19937_64 g",
                "std::default_random_engine g", "std::uniform_int_distribution<int> d",
                "std::thread t", "std::jthread t", "std::async(f)", "pthread_create(&t, 0, f, 0)",
                "std::mutex m", "std::shared_mutex m", "std::condition_variable c",
                "thread_local int n", "::fork()",
                'getenv("X")', 'std::getenv("X")', 'secure_getenv("X")', 'setenv("X", "y", 1)',
                "char** x = environ"):
            for folder in table.PURE:
                self.fails(rule, f"{folder}/a.cc", f"int x;\n{token};\n", line=2)
            self.fails(rule, "tests/sim/broker/a.h", f"int x;\n{token};\n", line=2)
            self.passes(rule, "lib/runtime/a.cc", f"{token};\n")
            self.passes(rule, "tests/sim/sim_main.cc", f"{token};\n")
            self.passes(rule, "tests/sim/broker/broker_sim_main.cc", f"{token};\n")
        self.passes(rule, "lib/broker/a.cc", "// no steady_clock here\n")
        self.passes(rule, "lib/broker/a.cc", 'log("std::thread");\n')
        self.passes(rule, "lib/broker/a.cc", 'log(R"x(std::thread "quoted")x");\n')
        self.passes(rule, "lib/broker/a.cc", "int n = 1'000; strand(1); lease_time(0);\n")
        self.passes(rule, "lib/broker/a.cc", "operand(1); at_random_; asleep(1); repoll(); "
                                             "consumer.poll(2); redistribution_();\n")
        self.fails(rule, "lib/broker/a.cc", "int n = 1'000; rand(); int m = 2'000;\n")

    def test_own_header_first(self):
        rule = "own_header_first"
        header = {"lib/base/a.h": "#pragma once\n"}
        self.assertEqual(
            found(rule, {"lib/base/a.cc": '#include <vector>\n#include "base/a.h"\n', **header}),
            [("lib/base/a.cc", 1)])
        self.assertEqual(
            found(rule, {"lib/base/a.cc": '#include "base/a.h"\n#include <vector>\n', **header}),
            [])
        self.passes(rule, "lib/base/b.cc", "#include <vector>\n")

    def test_pragma_once(self):
        self.fails("pragma_once", "lib/base/a.h", "#ifndef A\n#define A\n#endif\n")
        self.passes("pragma_once", "lib/base/a.h", "// Why.\n#pragma once\n")

    def test_using_namespace(self):
        self.fails("using_namespace", "lib/base/a.cc", "using namespace std;\n")
        self.passes("using_namespace", "tests/a.cc", "using namespace std::chrono_literals;\n")

    def test_unused_names(self):
        rule = "unused_names"
        self.fails(rule, "lib/base/a.cc", "using base::Lsn;\nint a;\n")
        self.fails(rule, "tests/a.cc", "int a;\nusing testing::Eq;\n// Eq\n", line=2)
        self.fails(rule, "lib/base/a.cc", "using Names = std::vector<int>;\n")
        self.fails(rule, "lib/base/a.cc", "constexpr std::size_t kMax = 1;\n")
        self.fails(rule, "lib/base/a.cc", "static constexpr int kMax[2] = {1, 2};\n")
        self.fails(rule, "lib/base/a.cc", "constexpr base::Nanos kMax(5);\n")
        self.passes(rule, "lib/base/a.cc", "using base::Lsn;\nLsn a;\n")
        self.passes(rule, "lib/base/a.cc", "constexpr int kMax = 1;\nint a = kMax;\n")
        self.passes(rule, "lib/base/a.h", "inline constexpr int kMax = 1;\n")
        self.passes(rule, "lib/base/a.cc", "constexpr int twice(int a) { return 2 * a; }\n")

    def test_leftovers(self):
        self.fails("leftovers", "lib/base/a.cc", f"// {LATER}: later\n")
        self.fails("leftovers", "run.sh", f"# {MEND}\n")
        self.fails("leftovers", "lib/base/CMakeLists.txt", f"# {LATER}(somebody)\n")
        self.passes("leftovers", "lib/base/a.cc", f"// {LATER}(#12): later\n")

    def test_columns(self):
        self.fails("columns", "lib/base/a.cc", "x" * 101 + "\n")
        self.passes("columns", "lib/base/a.cc", "é" * 100 + "\n")
        self.passes("columns", "docs/a.md", "x" * 101 + "\n")

    def test_file_length(self):
        self.fails("file_length", "lib/base/a.cc", "\n" * 501, line=501)
        self.fails("file_length", "tests/unit/a.cc", "\n" * 801, line=801)
        self.passes("file_length", "lib/base/a.cc", "\n" * 500)
        self.passes("file_length", "tests/unit/a.cc", "\n" * 800)

    def test_listed(self):
        lists = {"lib/base/CMakeLists.txt": "sluice_module(NAME base SOURCES a.cc posix/b.cc)\n"}
        self.assertEqual(found("listed", {"lib/base/a.cc": "", "lib/base/posix/b.cc": "", **lists}),
                         [])
        self.assertEqual(found("listed", {"lib/base/aa.cc": "", **lists}), [("lib/base/aa.cc", 1)])
        self.assertEqual(found("listed", {"lib/base/b.cc": "", **lists}), [("lib/base/b.cc", 1)])

    def test_promises(self):
        sources = {"tests/a/CMakeLists.txt": "sluice_test(NAME a_test SOURCES b_test.cc)",
                   "tests/a/b_test.cc": "TEST_F(Disk, IsFull) {}\n"}

        def missing(page):
            return list(promises.missing(page, sources, {"tests/fuzz/a_fuzz.cc"}.__contains__))
        self.assertEqual(missing("`a_test Disk`, `a_test IsFull`, `a_test`, `a_fuzz`, `b`"), [])
        for page in ("`a_test Empty`", "`b_test`", "`b_fuzz`", "`tests/nothing.py --check`"):
            self.assertEqual(len(missing(page)), 1, page)


if __name__ == "__main__":
    unittest.main()
