"""Shows the pictures of its weights; a test can stop it at its gates."""

from __future__ import annotations

import os
import time
from fractions import Fraction
from pathlib import Path

import numpy as np

from models.spec import Stage
from models.video.writer import Writer
from tests.workers.tiny.painting import WIDTH

HOMES = ("HF_HOME", "TORCH_HOME", "HF_HUB_OFFLINE")
"""The variables for the caches of the models' libraries."""


class Runner:
    """Keeps the pictures and the order in which they are shown."""

    def __init__(self, weights):
        pass_gate("load")
        self._paint = np.load(weights / "paint.npy", mmap_mode="r")
        self._request_stop = np.load(weights / "parts" / "order.npy")
        self.warmed = 0

    def warm_up(self):
        pass_gate("warm_up")
        self.warmed += 1
        self._frame(self._request_stop[0])

    def generate(self, params, inputs, out, report):
        fps, frames = Fraction(12), len(self._request_stop)
        height = self._paint.shape[1]
        with Writer(out, width=WIDTH, height=height, fps=fps) as writer:
            for done, index in enumerate(self._request_stop):
                pass_gate("generate", lambda done=done: report(Stage.GENERATING, done, frames))
                writer.write(self._frame(index))
                report(Stage.GENERATING, done + 1, frames)
        first = self._frame(self._request_stop[0])
        homes = {name: os.environ.get(name) for name in HOMES}
        return writer.result({"paint": int(first.sum()), "warmed": self.warmed} | homes)

    def _frame(self, index):
        grey = self._paint[index, :, :, 0]
        return np.repeat(np.repeat(grey, WIDTH // grey.shape[1], axis=1)[..., None], 3, axis=2)


def pass_gate(name, report=lambda: None):
    """Wait while the gate is closed: while a file of its name exists in `TINY_GATES`."""
    gates = os.environ.get("TINY_GATES")
    while gates and (Path(gates) / name).exists():
        report()
        time.sleep(0.02)
