"""The installed client library, as an application's developer meets it: a package that is found,
and examples that are built with it and run against a real broker."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

TESTS = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TESTS / "integration" / "cli"))
import harness  # noqa: E402  pylint: disable=wrong-import-position

BUILD = os.environ["SLUICE_BUILD"]
SOURCE = pathlib.Path(os.environ["SLUICE_SOURCE"])
CXX = os.environ["CXX"]
SECONDS_MAX = 300


def run(*arguments, **options):
    done = subprocess.run([str(a) for a in arguments], text=True, capture_output=True,
                          timeout=SECONDS_MAX, check=False, **options)
    if done.returncode != 0:
        raise AssertionError(f"{arguments}: exit code {done.returncode}\n{done.stdout}\n"
                             f"{done.stderr}")
    return done.stdout


class Package:
    """What holds for the static library and for the shared one."""

    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="sluice-package-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.prefix = cls.folder / "prefix"
        cls.install()
        cls.programs = cls.folder / "examples"
        run("cmake", "-S", SOURCE / "examples" / "cpp", "-B", cls.programs,
            f"-DCMAKE_PREFIX_PATH={cls.prefix}", f"-DCMAKE_CXX_COMPILER={CXX}",
            "-DCMAKE_BUILD_TYPE=Debug", "-DCMAKE_CXX_FLAGS=-Wall -Wextra -Werror")
        run("cmake", "--build", cls.programs, "-j", "2")

    def setUp(self):
        self.data = tempfile.mkdtemp(prefix="sluice-broker-", dir=self.folder)
        self.broker = harness.Broker(self.data, [harness.queue("orders")])
        self.broker.start()
        self.addCleanup(lambda: self.broker.stop())
        self.endpoint = self.broker.endpoint

    def example(self, name, *arguments):
        return run(self.programs / name, self.endpoint, *arguments)

    def kill_broker(self):
        """The process that has the folder, so that nothing ends in order."""
        self.broker.process.send_signal(signal.SIGKILL)
        self.broker.process.wait()

    def restart_broker(self):
        port = self.endpoint.rsplit(":", 1)[1]
        arguments = self.broker.arguments
        arguments[arguments.index("--port") + 1] = port
        self.broker.start()

    def test_producer_and_worker(self):
        self.assertIn("stored 200 orders", self.example("producer", 200))
        self.assertIn("packed 200 orders", self.example("worker", 200))

    def test_pull_consumer(self):
        self.example("producer", 50)
        self.assertIn("fetched 50 orders", self.example("pull_consumer"))

    def test_pkg_config(self):
        (found,) = self.prefix.rglob("sluice-client.pc")
        environment = {**os.environ, "PKG_CONFIG_PATH": str(found.parent)}
        flags = run("pkg-config", "--cflags", "--libs", "sluice-client", env=environment).split()
        program = self.folder / "with-pkg-config"
        run(CXX, "-std=c++20", SOURCE / "examples" / "cpp" / "producer.cc", *flags, "-o", program)
        environment["LD_LIBRARY_PATH"] = str(found.parent.parent)
        self.assertIn("stored 10 orders", run(program, self.endpoint, env=environment))


class PackageTest(Package, unittest.TestCase):
    @classmethod
    def install(cls):
        run("cmake", "--install", BUILD, "--prefix", cls.prefix)

    def test_examples_are_short(self):
        for example in (SOURCE / "examples" / "cpp").glob("*.cc"):
            lines = len(example.read_text(encoding="utf-8").splitlines())
            self.assertLessEqual(lines, 40, example.name)

    def test_headers_show_nothing_of_ours(self):
        for header in (self.prefix / "include" / "sluice").glob("*.h"):
            for include in re.findall(r'#include\s+["<]([^">]+)[">]',
                                      header.read_text(encoding="utf-8")):
                self.assertRegex(include, r"^(sluice/\w+\.h|[a-z_]+)$", header.name)

    def test_sigterm_ends_a_worker_in_order(self):
        """As when a pod is stopped: what is not packed is there for the next one, uncounted."""
        self.example("producer", 100_000)
        worker = subprocess.Popen([str(self.programs / "worker"), self.endpoint],
                                  stdout=subprocess.PIPE, text=True)
        harness.wait_until(lambda: self.counts()["settled"] > 0, "the worker packs")
        worker.terminate()
        output, _ = worker.communicate(timeout=SECONDS_MAX)
        self.assertEqual(worker.returncode, 0)
        packed = int(re.search(r"packed (\d+) orders", output).group(1))
        left = self.counts()
        self.assertEqual(left["ready"], 100_000 - packed)
        self.assertEqual(left["inFlight"], 0)
        rest = subprocess.run([harness.program(), "sub", "orders", "--max", str(100_000 - packed),
                               "--json"], text=True, capture_output=True, timeout=SECONDS_MAX,
                              check=True, env={**os.environ, "SLUICE_ENDPOINT": self.endpoint})
        for line in rest.stdout.splitlines():
            message = json.loads(line)
            self.assertEqual((message["attempt"], message["stalls"]), (1, 0), line)

    def test_sigterm_lets_slow_work_end_and_gives_back_what_does_not_within_the_grace_period(self):
        self.example("producer", 12)
        left = 12
        for pack, grace, code in (("2000", "60", 0), ("600000", "1", 1)):
            worker = subprocess.Popen(
                [str(self.programs / "worker"), self.endpoint, "-1", pack], text=True,
                stdout=subprocess.PIPE, env={**os.environ, "GRACE": grace})
            harness.wait_until(lambda: self.counts()["inFlight"] >= 4, "four are in work")
            begin = time.monotonic()
            worker.terminate()
            output, _ = worker.communicate(timeout=SECONDS_MAX)
            self.assertLess(time.monotonic() - begin, 20)
            self.assertEqual(worker.returncode, code)
            packed = re.search(r"packed (\d+) orders", output)
            self.assertEqual(packed is not None, code == 0)
            left -= int(packed.group(1)) if packed else 0
            self.assertLess(left, 12)
            # Who leaves in the middle of its work may be gone before its goodbye is on its way: its
            # leases end with its session, and what they held backs off for a moment.
            harness.wait_until(lambda: self.counts()["inFlight"] + self.counts()["delayed"] == 0,
                               "nothing is leased, nothing backs off")
            self.assertEqual(self.counts()["ready"], left)

    def counts(self):
        done = subprocess.run([harness.program(), "stat", "orders", "--json"], text=True,
                              capture_output=True, timeout=SECONDS_MAX, check=True,
                              env={**os.environ, "SLUICE_ENDPOINT": self.endpoint})
        messages = json.loads(done.stdout)["subscriptions"][0]["messages"]
        return {"settled": 100_000 - messages["ready"] - messages["inFlight"], **messages}

    def test_named_producer_goes_on_after_every_kill(self):
        """Broker and producer are killed in turns; each number is there once, in order."""
        last = 200_000
        program = [str(self.programs / "named_producer"), self.endpoint, str(last)]
        for turn in range(4):
            producer = subprocess.Popen(program, stdout=subprocess.PIPE, text=True)
            self.assertIn("going on after", producer.stdout.readline())
            time.sleep(0.05 * (turn + 1))  # somewhere in the middle; where does not matter
            if turn % 2 == 0:
                self.kill_broker()
                self.restart_broker()
            producer.kill()
            producer.wait()
            producer.stdout.close()
        run(*program)
        done = subprocess.run([harness.program(), "sub", "orders", "--max", str(last)], text=True,
                              capture_output=True, timeout=SECONDS_MAX, check=True,
                              env={**os.environ, "SLUICE_ENDPOINT": self.endpoint})
        numbers = [int(line) for line in done.stdout.split()]
        self.assertEqual(numbers, list(range(1, last + 1)))


class SharedPackageTest(Package, unittest.TestCase):
    """The same from a build with BUILD_SHARED_LIBS=ON, which makes the client library only."""

    @classmethod
    def install(cls):
        # Kept, so that another run builds only what has changed.
        build = pathlib.Path(BUILD) / "tests" / "shared-client"
        run("cmake", "--fresh", "-S", SOURCE, "-B", build, "-DBUILD_SHARED_LIBS=ON",
            "-DSLUICE_TESTS=OFF", "-DSLUICE_BENCH=OFF", "-DCMAKE_UNITY_BUILD=ON",
            f"-DCMAKE_CXX_COMPILER={CXX}", "-DCMAKE_BUILD_TYPE=Debug",
            "-DCMAKE_CXX_FLAGS_DEBUG=-O0")
        run("cmake", "--build", build, "-j", "2", "--target", "sluice_client_library")
        run("cmake", "--install", build, "--prefix", cls.prefix, "--component", "client")

    def library(self):
        (found,) = self.prefix.rglob("libsluice-client.so")
        return found

    def test_is_shared_and_versioned(self):
        self.assertEqual(list(self.prefix.rglob("*.a")), [])
        header = run("readelf", "--dynamic", self.library())
        self.assertRegex(header, r"SONAME.*\[libsluice-client\.so\.\d+\.\d+\]")
        self.assertIn("libsluice-client.so.", run("readelf", "--dynamic",
                                                  self.programs / "worker"))

    def test_shows_its_interface_only(self):
        names = run("nm", "--dynamic", "--defined-only", "--demangle", "--format=posix",
                    self.library()).splitlines()
        ours = (r"^sluice::((Admin|Client|Consumer|Credentials|Delivery|Producer)::(?!Core)|"
                r"to_string|detail::end_of_bad_access)")
        self.assertTrue(any("sluice::Producer::send(" in name for name in names))
        for name in names:
            self.assertRegex(name, ours)


if __name__ == "__main__":
    harness.main()
