"""A model that runs in steps and can hang, block the GIL, run out of memory or break its GPU.

Its cards differ only in their limits and share one queue: a worker serves all of them.
"""

from __future__ import annotations

import ctypes
import time
from datetime import timedelta

from models import spec
from models.spec import Card, License, Stage
from tests.workers import script

ALLOCATION = "CUDA out of memory. Tried to allocate 20.00 GiB."
ILLEGAL = "CUDA error: an illegal memory access was encountered"


class OutOfMemoryError(RuntimeError):
    """An error with the module and name of torch's."""


OutOfMemoryError.__module__ = "torch"


class Input(spec.Input):
    """The acts to perform, then a number of steps of equal length."""

    acts: tuple[str, ...] = ()
    gate: str = ""
    files: tuple[str, ...] = ()
    steps: int = 0
    step_seconds: float = 0.1
    picture: bool = False


class Runner(script.Runner):
    """The script model with steps and more harmful acts."""

    def generate(self, params, inputs, out, report):
        for act in params.acts:
            if act in ACTS:
                ACTS[act](params)
        for step in range(params.steps):
            report(Stage.GENERATING, step, params.steps)
            time.sleep(params.step_seconds)
        acts = tuple(act for act in params.acts if act not in ACTS)
        return super().generate(params.model_copy(update={"acts": acts}), inputs, out, report)


def hold_the_gil(_):
    """Sleep in C holding the GIL: no other thread runs, not even the lease keeper."""
    ctypes.PyDLL(None).sleep(600)


def hang(_):
    """Sleep without holding the GIL."""
    time.sleep(600)


def run_out_of_memory(_):
    raise OutOfMemoryError(ALLOCATION)


def break_the_context(_):
    raise RuntimeError(ILLEGAL)


ACTS = {act.__name__: act for act in (hold_the_gil, hang, run_out_of_memory, break_the_context)}


def _card(name, *, limit, stall):
    return Card(
        name=name,
        task="test",
        summary="Runs in steps.",
        license=License("Apache-2.0", commercial="yes"),
        input=Input,
        runner="tests.faults.faulty_model:Runner",
        queue="faulty",
        hardware="CPU",
        time_limit=timedelta(seconds=limit),
        stall_limit=timedelta(seconds=stall),
    )


CARD = _card("faulty", limit=1800, stall=300)
SHORT_LIMIT = _card("short-limit", limit=3, stall=300)
SHORT_STALL = _card("short-stall", limit=1800, stall=1)
