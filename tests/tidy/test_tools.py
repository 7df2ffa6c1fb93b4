#!/usr/bin/env python3
"""Plants what each tool must find in a small tree of its own, and mends it again."""

import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent

CLEAN = '#include "base/a.h"\n\nint twice(int number) { return number + offset(); }\n'
BADLY_NAMED = CLEAN.replace("twice", "TwiceAsMuch")
BADLY_FORMATTED = CLEAN.replace("int number", "int  number")
HEADER = "#pragma once\n\ninline int offset() { return 1; }\n"


class ToolsTest(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="sluice-tidy-"))
        self.addCleanup(shutil.rmtree, self.root)
        for name in (".clang-tidy", ".clang-format"):
            shutil.copy(REPOSITORY / name, self.root)
        self.write("lib/base/a.cc", CLEAN)
        self.write("lib/base/a.h", HEADER)
        self.write("run.sh", "#!/bin/bash\necho \"$1\"\n")
        self.write("build/compile_commands.json", json.dumps([{
            "directory": str(self.root), "file": "lib/base/a.cc",
            "command": "clang++-14 -std=c++20 -Ilib -c lib/base/a.cc"}]))

    def write(self, path, text):
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text, encoding="utf-8")

    def run_script(self, script, *arguments):
        run = subprocess.run([sys.executable, HERE / script, "--root", self.root, *arguments],
                             capture_output=True, text=True, check=False)
        return run.returncode, run.stdout + run.stderr

    def test_clang_format(self):
        self.assertEqual(self.run_script("tools.py", "clang-format")[0], 0)
        self.write("lib/base/a.cc", BADLY_FORMATTED)
        self.assertNotEqual(self.run_script("tools.py", "clang-format")[0], 0)

    def test_shellcheck(self):
        self.assertEqual(self.run_script("tools.py", "shellcheck")[0], 0)
        self.write("run.sh", "#!/bin/bash\nrm $1\n")
        self.assertNotEqual(self.run_script("tools.py", "shellcheck")[0], 0)

    def test_clang_tidy(self):
        arguments = ("clang_tidy.py", "--build", self.root / "build")
        code, output = self.run_script(*arguments)
        self.assertEqual(code, 0, output)
        self.assertIn("1 files, 1 to look at", output)
        self.assertIn("1 files, 0 to look at", self.run_script(*arguments)[1])

        self.write("lib/base/a.h", HEADER.replace("offset", "Offset"))
        code, output = self.run_script(*arguments)
        self.assertNotEqual(code, 0, "a header that changed is looked at through its users")
        self.write("lib/base/a.h", HEADER)

        self.write("lib/base/a.cc", BADLY_NAMED)
        for _ in range(2):
            code, output = self.run_script(*arguments)
            self.assertNotEqual(code, 0, "a finding leaves no stamp")
            self.assertIn("readability-identifier-naming", output)

    def test_clang_tidy_of_a_unity_build(self):
        unity = self.root / "build/lib/Unity/unity_0_cxx.cxx"
        self.write("lib/base/b.cc", CLEAN.replace("twice", "again"))
        self.write(unity.relative_to(self.root),
                   "".join(f'#include "{self.root}/lib/base/{n}.cc"\n' for n in "ab"))
        elsewhere = self.root / "build/tests/Unity/unity_0_cxx.cxx"
        self.write("tests/c.cc", BADLY_NAMED)
        self.write(elsewhere.relative_to(self.root), f'#include "{self.root}/tests/c.cc"\n')
        self.write("build/compile_commands.json", json.dumps([
            {"directory": str(self.root), "file": str(file),
             "command": f"clang++-14 -std=c++20 -Ilib -c {file}"} for file in (unity, elsewhere)]))
        arguments = ("clang_tidy.py", "--build", self.root / "build")
        code, output = self.run_script(*arguments)
        self.assertEqual(code, 0, output)
        self.assertIn("1 files, 1 to look at", output)
        self.assertIn("1 files, 0 to look at", self.run_script(*arguments)[1])

        self.write("lib/base/b.cc", BADLY_NAMED)
        code, output = self.run_script(*arguments)
        self.assertEqual(code, 1, output)
        self.assertIn("lib/base/b.cc:3", output)


if __name__ == "__main__":
    unittest.main()
