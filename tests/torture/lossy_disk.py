"""A file system that loses what was not synced, for the time of a run: the program lossy_fs."""

import json
import os
import subprocess

CANNOT_MOUNT = 77
UNMOUNT_SECONDS = 2


class CannotMount(Exception):
    """No /dev/fuse, or not root."""


class LossyDisk:
    """Mounted while it is used."""

    def __init__(self, bin_dir, folder, sector_bytes=4096):
        self.folder = folder
        os.makedirs(folder)
        self._program = subprocess.Popen(
            [os.path.join(bin_dir, "lossy_fs"), folder, "--sector-bytes", str(sector_bytes)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        if not self._program.stdout.readline():
            code = self._program.wait()
            self._program.stdin.close()
            self._program.stdout.close()
            if code == CANNOT_MOUNT:
                raise CannotMount()
            raise RuntimeError(f"lossy_fs ended with {code}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._program.stdin.close()
        try:
            self._program.wait(UNMOUNT_SECONDS)
        except subprocess.TimeoutExpired:
            # It is unmounted, and somebody has still a file of it open, which ends with it.
            self._program.kill()
            self._program.wait()
        self._program.stdout.close()

    def ask(self, *words):
        """Carries out a command of tests/torture/lossy_fs/disk_command.h."""
        self._program.stdin.write(" ".join(map(str, words)) + "\n")
        self._program.stdin.flush()
        line = self._program.stdout.readline()
        if not line:
            raise RuntimeError(f"lossy_fs ended with {self._program.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer
