#!/usr/bin/env python3
"""The disk that loses what was not synced, as programs see it through the kernel."""

import argparse
import errno
import os
import sys
import tempfile
import unittest

from lossy_disk import CANNOT_MOUNT, CannotMount, LossyDisk

BIN = None


class LossyDiskTest(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.disk = LossyDisk(BIN, os.path.join(temporary.name, "disk"))
        self.addCleanup(self.disk.__exit__)

    def path(self, name):
        return os.path.join(self.disk.folder, name)

    def sync_folder(self, name=""):
        folder = os.open(self.path(name), os.O_RDONLY | os.O_DIRECTORY)
        os.fsync(folder)
        os.close(folder)

    def write(self, name, data, sync=True):
        file = os.open(self.path(name), os.O_RDWR | os.O_CREAT)
        os.write(file, data)
        if sync:
            os.fdatasync(file)
        os.close(file)

    def read(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def test_what_was_synced_is_there_after_a_power_loss(self):
        self.write("a", b"kept")
        self.sync_folder()
        lost = self.disk.ask("lose-all")
        self.assertEqual(lost, {"unsynced_bytes": 0, "unsynced_sectors": 0, "unsynced_names": 0})
        self.assertEqual(self.read("a"), b"kept")

    def test_what_was_not_synced_is_there_until_the_power_fails(self):
        self.write("a", b"kept")
        self.sync_folder()
        self.write("a", b"lost", sync=False)
        self.assertEqual(self.read("a"), b"lost")
        self.assertEqual(self.disk.ask("lose-all")["unsynced_bytes"], 4)
        self.assertEqual(self.read("a"), b"kept")

    def test_a_name_is_durable_only_with_its_folder(self):
        self.write("a", b"synced")
        self.assertEqual(os.listdir(self.disk.folder), ["a"])
        self.disk.ask("lose-all")
        self.assertEqual(os.listdir(self.disk.folder), [])

    def test_so_are_a_rename_and_a_removal(self):
        self.write("a", b"1")
        self.write("b", b"2")
        self.sync_folder()
        os.rename(self.path("a"), self.path("c"))
        os.remove(self.path("b"))
        self.assertEqual(os.listdir(self.disk.folder), ["c"])
        self.disk.ask("lose-all")
        self.assertEqual(sorted(os.listdir(self.disk.folder)), ["a", "b"])
        self.assertEqual(self.read("b"), b"2")

    def test_so_is_a_folder(self):
        os.makedirs(self.path("x/y"))
        self.sync_folder()
        self.disk.ask("lose-all")
        self.assertEqual(os.listdir(self.disk.folder), ["x"])
        self.assertEqual(os.listdir(self.path("x")), [])

    def test_a_truncation_is_a_write(self):
        self.write("a", b"x" * 10_000)
        self.sync_folder()
        os.truncate(self.path("a"), 10)
        self.assertEqual(os.path.getsize(self.path("a")), 10)
        self.disk.ask("lose-all")
        self.assertEqual(os.path.getsize(self.path("a")), 10_000)

    def test_a_removed_file_that_is_open_goes_on(self):
        file = os.open(self.path("a"), os.O_RDWR | os.O_CREAT)
        os.remove(self.path("a"))
        self.assertEqual(os.listdir(self.disk.folder), [])
        os.write(file, b"here")
        self.assertEqual(os.pread(file, 10, 0), b"here")
        os.close(file)

    def test_an_open_file_is_dead_after_a_power_loss(self):
        file = os.open(self.path("a"), os.O_RDWR | os.O_CREAT)
        self.disk.ask("lose-all")
        with self.assertRaises(OSError) as raised:
            os.write(file, b"late")
        self.assertEqual(raised.exception.errno, errno.EIO)
        os.close(file)

    def test_the_same_seed_keeps_the_same(self):
        def left_of(seed):
            for name in ("a", "b", "c"):
                self.write(name, b"old" * 5_000)
            self.sync_folder()
            for name in ("a", "b", "c"):
                self.write(name, b"new" * 5_000, sync=False)
            self.disk.ask("lose", seed)
            return [self.read(name) for name in ("a", "b", "c")]

        results = [left_of(seed) for seed in range(8)]
        self.assertEqual([left_of(seed) for seed in range(8)], results)
        self.assertGreater(len({tuple(result) for result in results}), 3)

    def test_a_failed_sync_fails_once_and_loses(self):
        self.write("a", b"kept")
        self.sync_folder()
        self.disk.ask("fail", "sync", 1)
        with self.assertRaises(OSError) as raised:
            self.write("a", b"lost")
        self.assertEqual(raised.exception.errno, errno.EIO)
        # As in Linux: the page cache shows it, the next sync says yes, the disk never gets it.
        self.assertEqual(self.read("a"), b"lost")
        file = os.open(self.path("a"), os.O_RDWR)
        os.fdatasync(file)
        os.close(file)
        self.disk.ask("lose-all")
        self.assertEqual(self.read("a"), b"kept")

    def test_a_stopped_disk_fails_until_the_power_is_back(self):
        self.disk.ask("stop", 1)
        with self.assertRaises(OSError) as raised:
            self.write("a", b"x")
        self.assertEqual(raised.exception.errno, errno.EIO)
        self.disk.ask("lose", 1)
        self.write("a", b"y")
        self.assertEqual(self.read("a"), b"y")

    def test_a_full_disk(self):
        self.disk.ask("capacity", 8192)
        self.write("a", b"x" * 8192)
        status = os.statvfs(self.disk.folder)
        self.assertEqual((status.f_blocks * status.f_frsize, status.f_bavail), (8192, 0))
        for refused in (lambda: self.write("b", b"x"), self.allocate):
            with self.assertRaises(OSError) as raised:
                refused()
            self.assertEqual(raised.exception.errno, errno.ENOSPC)
        self.disk.ask("capacity", 0)
        self.allocate()
        self.assertEqual(os.path.getsize(self.path("a")), 20_000)

    def allocate(self):
        file = os.open(self.path("a"), os.O_RDWR)
        try:
            os.posix_fallocate(file, 0, 20_000)
        finally:
            os.close(file)

    def test_a_lying_disk_syncs_nothing(self):
        for what, left in (("files", b""), ("folders", None), ("nothing", b"x")):
            with self.subTest(what):
                self.disk.ask("lie", what)
                self.write("a", b"x")
                self.sync_folder()
                self.disk.ask("lose-all")
                there = os.listdir(self.disk.folder)
                self.assertEqual(self.read("a") if there else None, left)
                self.disk.ask("lie", "nothing")
                if there:
                    os.remove(self.path("a"))
                    self.sync_folder()

    def test_an_unknown_command_is_refused(self):
        for line in ("", "lose", "fail sync", "fail knit 1", "fail sync 0"):
            with self.assertRaises(RuntimeError):
                self.disk.ask(line)


def main():
    global BIN  # pylint: disable=global-statement
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    options, rest = parser.parse_known_args()
    BIN = options.bin
    with tempfile.TemporaryDirectory() as folder:
        try:
            LossyDisk(BIN, os.path.join(folder, "disk")).__exit__()
        except CannotMount:
            print("skipped: mounting a FUSE file system needs root and /dev/fuse")
            return CANNOT_MOUNT
    unittest.main(argv=sys.argv[:1] + rest)
    return 0


if __name__ == "__main__":
    sys.exit(main())
