"""A process that holds a lock: `python -m tests.weights.holder PATH SILENCE [no-flock]`.

It says `held`; for each line on its stdin it says whether it still holds the lock.
"""

from __future__ import annotations

import errno
import fcntl
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from weights.volume.file_lock import locked

ROOT = Path(__file__).parents[2]


def refuse(*_):
    raise OSError(errno.ENOLCK, "No locks available")


def main(path, silence, *options):
    if "no-flock" in options:
        fcntl.flock = refuse
    with locked(Path(path), silence_seconds=float(silence)) as lock:
        say("held")
        for _ in sys.stdin:
            say(bool(lock))


def say(word):
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


@contextmanager
def holder(path, *options, silence=30.0):
    command = [sys.executable, "-m", "tests.weights.holder", str(path), str(silence), *options]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, **pipes) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


if __name__ == "__main__":
    main(*sys.argv[1:])
