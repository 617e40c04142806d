"""A model that works step by step and can be as bad as a GPU model at its worst.

Its cards differ in their limits only, and share one queue: a worker that has one has all.
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
    """By the name that torch gives it."""


OutOfMemoryError.__module__ = "torch"


class Input(spec.Input):
    """So many steps, each so long, after the acts."""

    acts: tuple[str, ...] = ()
    gate: str = ""
    files: tuple[str, ...] = ()
    steps: int = 0
    step_seconds: float = 0.1


class Runner(script.Runner):
    """The script model with steps and worse acts."""

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
    """Sleep in C with the lock held: no other thread of this process runs, the guard neither."""
    ctypes.PyDLL(None).sleep(600)


def hang(_):
    """Stand still with the lock free."""
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
        summary="Works step by step.",
        license=License("Apache-2.0", commercial=True),
        input=Input,
        runner="tests.faults.actor:Runner",
        queue="actor",
        hardware="CPU",
        time_limit=timedelta(seconds=limit),
        stall_limit=timedelta(seconds=stall),
    )


CARD = _card("actor", limit=1800, stall=300)
HASTY = _card("hasty", limit=3, stall=300)
RESTLESS = _card("restless", limit=1800, stall=1)
