"""A model that acts out a script: a real card and runner, without a picture in sight."""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import time
from datetime import timedelta
from fractions import Fraction
from pathlib import Path

from models import spec
from models.errors import InputRejected
from models.spec import AudioUri, Card, ImageUri, License, RunResult, Stage

VIDEO = b"a video of the script model"
FILE = b"another file, number "
LIMIT_SECONDS = 1800


class Input(spec.Input):
    """What to do, act by act, and the file whose appearance ends a wait."""

    acts: tuple[str, ...] = ()
    gate: str = ""
    image: ImageUri | None = None
    audio: AudioUri | None = None
    files: tuple[str, ...] = ()


class Runner:
    """Does what the script says, then writes a few bytes that stand for a video."""

    made = 0

    def __init__(self):
        type(self).made += 1

    def warm_up(self):
        pass

    def generate(self, params, inputs, out, report):
        report(Stage.GENERATING, 0, 1)
        for act in params.acts:
            ACTS[act](params, report)
        out.write_bytes(VIDEO)
        report(Stage.GENERATING, 1, 1)
        return RunResult(
            out,
            width=64,
            height=48,
            fps=Fraction(30000, 1001),
            frames=30,
            duration_seconds=1.001,
            has_audio=False,
            notes={"inputs": sorted(inputs)},
            files={
                name: write(out.parent / f"{number}") for number, name in enumerate(params.files)
            },
        )


def write(path):
    """A file that a run makes beside its video; its bytes tell one from another."""
    path.write_bytes(FILE + path.name.encode())
    return path


def wait(params, report):
    """Go on when the gate is there; say so all the time."""
    while not Path(params.gate).exists():
        report(Stage.GENERATING, 1, 2)
        time.sleep(0.02)


def wait_deaf(params, report):
    """Go on when the gate is there; say nothing, and so learn nothing."""
    while not Path(params.gate).exists():
        time.sleep(0.02)


def creep(params, report):
    """Have hardly begun, until the gate is there; say so all the time."""
    while not Path(params.gate).exists():
        report(Stage.GENERATING, 1, 1000)
        time.sleep(0.02)


def hog(params, report):
    """Hold the GIL in C for a minute: no other thread of this process runs."""
    ctypes.PyDLL(None).sleep(60)


class OutOfMemoryError(RuntimeError):
    """Named as torch names it."""


def settle(params, report):
    report(Stage.PREPROCESSING, notes={"width": 832})
    report(Stage.GENERATING, 0, 2, notes={"frames": 81}, preview=lambda: b"\xff\xd8\xff 1")


def overfill(params, report):
    raise OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")


def step_astray(params, report):
    raise RuntimeError("CUDA error: an illegal memory access was encountered")


def devour(params, report):
    raise MemoryError


def die(params, report):
    os.kill(os.getpid(), signal.SIGKILL)


def reject(params, report):
    raise InputRejected("no_face", "There is no face: send another picture.", field="image")


def reject_oddly(params, report):
    raise InputRejected("no_unicorn", "There is no unicorn.", field="image")


def crash(params, report):
    raise RuntimeError("a secret of this machine")


def fill_disk(params, report):
    raise OSError(errno.ENOSPC, "No space left on device")


ACTS = {
    act.__name__: act
    for act in (
        *(wait, wait_deaf, creep, hog, die, reject, reject_oddly, crash, fill_disk),
        *(overfill, step_astray, devour, settle),
    )
}

CARD = Card(
    name="script",
    task="test",
    summary="Does what its input says.",
    license=License("Apache-2.0", commercial=True),
    input=Input,
    runner="tests.workers.script:Runner",
    queue="script",
    hardware="CPU",
    time_limit=timedelta(seconds=LIMIT_SECONDS),
)
HASTY = Card(
    name="hasty",
    task="test",
    summary="The same, with a short time limit.",
    license=License("Apache-2.0", commercial=True),
    input=Input,
    runner="tests.workers.script:Runner",
    queue="script",
    hardware="CPU",
    time_limit=timedelta(seconds=2),
)
