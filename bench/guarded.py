"""Programs that always end with all that they started and wrote."""

import contextlib
import os
import pathlib
import subprocess
import sys
import tempfile

GUARD = pathlib.Path(__file__).with_name("guard.py")


class Failure(Exception):
    """A server or a load program did not do what it should."""


class Guarded:
    def __init__(self, process, output, errors):
        self._process = process
        self._output = output
        self._errors = errors

    def ended(self):
        return self._process.poll() is not None

    def wait(self, seconds):
        """Whether it ended well; raises Failure when it did not end."""
        try:
            return self._process.wait(seconds) == 0
        except subprocess.TimeoutExpired as late:
            raise Failure(f"it took more than {seconds} s") from late

    def output(self):
        return _text(self._output)

    def last_words(self):
        lines = (_text(self._output) + _text(self._errors)).strip().splitlines()
        return "\n".join(lines[-20:]) or "it ended without a word"


def _text(file):
    file.seek(0)
    return file.read().decode(errors="replace")


@contextlib.contextmanager
def guarded(command, data, environment=None):
    """Runs the command in a fresh folder below `data`. When this is left, the command, whatever it
    started and the folder are gone."""
    command = [str(word) for word in command]
    folder = tempfile.mkdtemp(prefix="bench-", dir=data)
    variables = {**os.environ, "TMPDIR": folder, **(environment or {})}
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen([sys.executable, GUARD, folder, *command],
                                   stdin=subprocess.PIPE, stdout=output, stderr=errors,
                                   env=variables, start_new_session=True)
        try:
            yield Guarded(process, output, errors)
        finally:
            process.stdin.close()
            process.wait()
