#!/usr/bin/env -S python3 -B
"""A program of tests/dashboards on a cluster with Sluice installed, under the load of its scene.

    tests/cluster/with -- tests/cluster/e2e/dashboards.py test_live
    tests/cluster/with -- tests/cluster/e2e/dashboards.py picture --seconds 240 \\
        --value namespace=dashboards --out docs/images
"""

import os
import subprocess
import sys

from stage import BIN, ROOT, TAGS, Installation

PROGRAMS = ("test_live", "picture")


def main():
    if sys.argv[1:2] in ([], ["-h"], ["--help"]) or sys.argv[1] not in PROGRAMS:
        print(__doc__)
        return 0 if sys.argv[1:2] in (["-h"], ["--help"]) else 2
    Installation().install()
    return subprocess.run(
        [sys.executable, "-B", str(ROOT / f"tests/dashboards/{sys.argv[1]}.py"), "--bin", str(BIN),
         "--cluster", "--image", f"sluice:{TAGS[0]}", *sys.argv[2:]],
        check=False, env=os.environ, stdin=subprocess.DEVNULL).returncode


if __name__ == "__main__":
    sys.exit(main())
