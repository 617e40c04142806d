"""A model that runs a script: a real card and runner that need no media."""

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
from models.file_type import PNG
from models.spec import AudioUri, Card, ImageUri, License, RunResult, Stage

VIDEO = b"\0\0\0\x18ftypisom a video of the script model"
PICTURE = b"\x89PNG\r\n\x1a\n of the script model"
FILE = b"another file, number "
LIMIT_SECONDS = 1800


class Input(spec.Input):
    """The acts to run, and the file for which some of them wait."""

    acts: tuple[str, ...] = ()
    gate: str = ""
    image: ImageUri | None = None
    audio: AudioUri | None = None
    files: tuple[str, ...] = ()
    picture: bool = False


class Runner:
    """Runs the acts, then writes a few bytes in place of a video."""

    created = 0

    def __init__(self):
        type(self).created += 1

    def warm_up(self):
        pass

    def generate(self, params, inputs, out, report):
        report(Stage.GENERATING, 0, 1)
        for act in params.acts:
            ACTS[act](params, report)
        if params.picture:
            return make_picture(out.with_suffix(".png"))
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
            encoder="none",
            notes={"inputs": sorted(inputs)},
            files={
                name: write(out.parent / f"{number}") for number, name in enumerate(params.files)
            },
        )


def make_picture(path):
    path.write_bytes(PICTURE)
    return RunResult(path, width=3, height=2, encoder="none", file_type=PNG)


def write(path):
    """Write a file of a result, with content of its own."""
    path.write_bytes(FILE + path.name.encode())
    return path


def wait(params, report):
    """Wait until the gate exists, and report all the time."""
    while not Path(params.gate).exists():
        report(Stage.GENERATING, 1, 2)
        time.sleep(0.02)


def wait_without_report(params, report):
    """Wait until the gate exists without a report, and so without learning of a stop."""
    while not Path(params.gate).exists():
        time.sleep(0.02)


def stay_at_first_step(params, report):
    """Report the first of 1,000 steps until the gate exists: the remaining time is long."""
    while not Path(params.gate).exists():
        report(Stage.GENERATING, 1, 1000)
        time.sleep(0.02)


def hold_gil(params, report):
    """Hold the GIL in C for a minute: no other thread of this process runs."""
    ctypes.PyDLL(None).sleep(60)


class OutOfMemoryError(RuntimeError):
    """Has the name of torch's error."""


def report_notes(params, report):
    report(Stage.PREPROCESSING, notes={"width": 832})
    report(Stage.GENERATING, 0, 2, notes={"frames": 81}, preview=lambda: b"\xff\xd8\xff 1")


def fill_gpu(params, report):
    raise OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")


def raise_cuda_error(params, report):
    raise RuntimeError("CUDA error: an illegal memory access was encountered")


def fill_memory(params, report):
    raise MemoryError


def die(params, report):
    os.kill(os.getpid(), signal.SIGKILL)


def reject(params, report):
    raise InputRejected("no_face", "There is no face: send another picture.", field="image")


def reject_with_unknown_code(params, report):
    raise InputRejected("no_unicorn", "There is no unicorn.", field="image")


def crash(params, report):
    raise RuntimeError("a secret of this machine")


class PanicException(BaseException):
    """As libraries in Rust raise it."""


def panic(params, report):
    raise PanicException("index out of bounds")


def fill_disk(params, report):
    raise OSError(errno.ENOSPC, "No space left on device")


ACTS = {
    act.__name__: act
    for act in (
        *(
            wait,
            wait_without_report,
            stay_at_first_step,
            hold_gil,
            die,
            reject,
            reject_with_unknown_code,
            crash,
            fill_disk,
            panic,
        ),
        *(fill_gpu, raise_cuda_error, fill_memory, report_notes),
    )
}

CARD = Card(
    name="script",
    task="test",
    summary="Does what its input says.",
    license=License("Apache-2.0", commercial="yes"),
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
    license=License("Apache-2.0", commercial="yes"),
    input=Input,
    runner="tests.workers.script:Runner",
    queue="script",
    hardware="CPU",
    time_limit=timedelta(seconds=2),
)
