"""A process that holds a lock: `python -m tests.weights.lock_holder PATH EXPIRY [no-flock]`.

It prints `held`; for each line on its stdin it prints whether it still holds the lock.
"""

from __future__ import annotations

import errno
import fcntl
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from weights.volume.file_lock import acquire

ROOT = Path(__file__).parents[2]


def refuse(*_):
    raise OSError(errno.ENOLCK, "No locks available")


def main(path, expiry, *options):
    if "no-flock" in options:
        fcntl.flock = refuse
    with acquire(Path(path), expiry_seconds=float(expiry)) as lock:
        write_line("held")
        for _ in sys.stdin:
            write_line(bool(lock))


def write_line(text):
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


@contextmanager
def lock_holder(path, *options, expiry=30.0):
    command = [sys.executable, "-m", "tests.weights.lock_holder", str(path), str(expiry), *options]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, **pipes) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


if __name__ == "__main__":
    main(*sys.argv[1:])
