"""A small file system of its own, for code that has to find a full or a read-only disk."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.folders import temporary_folder

ROOT = Path(__file__).parents[1]


def run(code, *, size, same_user=False):
    """Run Python where `disk` is an empty file system of that size; returns what it prints.

    `mount("-o", "remount,ro")` makes it read-only. With `same_user`, the tests' servers that run as
    another user can be reached.
    """
    command = _command(same_user=same_user)
    with temporary_folder("disk") as disk:
        head = f"""
import subprocess
from pathlib import Path
disk = Path({str(disk)!r})
def mount(*options): subprocess.run(["mount", *options, str(disk)], check=True)
mount("-t", "tmpfs", "-o", "size={size}", "tmpfs")
"""
        ran = subprocess.run(
            [*command, sys.executable, "-c", head + code], cwd=ROOT, text=True, capture_output=True
        )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def _command(*, same_user):
    """A command that gives a program mounts of its own."""
    root = os.geteuid() == 0
    choices = [["--mount"]] if root else []
    if not (root and same_user):
        choices.append(["--user", "--map-root-user", "--mount"])
    program = shutil.which("unshare")
    for options in choices if program else []:
        if not subprocess.run([program, *options, "true"], capture_output=True).returncode:
            return [program, *options]
    pytest.skip("this machine allows no mount namespace")


def fill(disk, *, leave=0):
    """Fill a file system but for these bytes."""
    with (disk / "ballast").open("ab", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            file.truncate(max(0, file.tell() - leave))
