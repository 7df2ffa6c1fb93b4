"""docs/kubernetes.md as it is written: every block of shell in it, in order, on a real cluster."""

import os
import re
import subprocess
import sys
import unittest

from stage import APPS, BIN, ROOT, Installation, image

PAGE = ROOT / "docs/kubernetes.md"
SECONDS = 400  # for one block


def blocks(text):
    return re.findall(r"^```sh\n(.*?)^```$", text, re.M | re.S)


class WalkTest(unittest.TestCase):
    def setUp(self):
        self.sluice = Installation()
        self.kube = self.sluice.kube
        chart = (ROOT / "helm/sluice/Chart.yaml").read_text(encoding="utf-8")
        version = re.search(r"^appVersion: \"?([^\"\n]+)", chart, re.M).group(1)
        archive = self.sluice.cluster.folder / "walk.tar"
        examples = BIN.parent / "examples"
        image.of_programs(archive, f"sluice:{version}", BIN)
        self.sluice.cluster.runtime().load(archive)
        image.of_programs(archive, "orders-example:1", examples, ("producer", "worker"))
        self.sluice.cluster.runtime().load(archive)
        archive.unlink()

    def run_block(self, text):
        print(f"--- {text}", end="", file=sys.stderr, flush=True)
        said = subprocess.run(["bash", "-e", "-u", "-o", "pipefail", "-c", text], cwd=ROOT,
                              check=False, timeout=SECONDS, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              env=os.environ | {"KUBECONFIG": str(self.sluice.cluster.kubeconfig)})
        print(said.stdout, file=sys.stderr, flush=True)
        if said.returncode != 0:
            print(self.sluice.cluster.diagnosis(), file=sys.stderr)
        self.assertEqual(said.returncode, 0, text)

    def test_the_page(self):
        found = blocks(PAGE.read_text(encoding="utf-8"))
        self.assertGreater(len(found), 8)
        for block in found:
            self.run_block(block)
        left = self.kube.items(f"/{APPS}/namespaces/default/statefulsets")
        self.assertEqual([one["metadata"]["name"] for one in left], [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
