"""A tiny Wan model as the card of a worker: it has the runner of the real ones."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path

from models import spec
from models.spec import Card, License


class Input(spec.Input):
    """How long the run takes."""

    steps: int = 4


CARD = Card(
    name="twin",
    task="test",
    summary="Animates an image with a network of random weights.",
    license=License("Apache-2.0", commercial="yes"),
    input=Input,
    runner="tests.workers.twin:Runner",
    queue="twin",
    hardware="CPU",
    time_limit=timedelta(minutes=5),
    shares_gpus=True,
)


class Runner:
    """Creates the weights and loads them."""

    def __init__(self):
        from tests.models.wan.running import runner_of
        from tests.models.wan.tiny import tiny_weights

        self._folder = tempfile.TemporaryDirectory()
        weights = tiny_weights(Path(self._folder.name) / "weights", "wan2.2", lora=False)
        self._runner = runner_of(weights, "wan2.2")

    def warm_up(self):
        self._runner.warm_up()

    def generate(self, params, inputs, out, report):
        from tests.models.wan.running import inputs as images
        from tests.models.wan.running import request_for

        wanted = request_for(steps=params.steps)
        return self._runner.generate(wanted, images(out.parent), out, report)
