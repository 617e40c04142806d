"""The model in memory: loaded by the first job that needs it, kept for the next."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import structlog

from jobs.states import Phase
from models.spec import load_runner

if TYPE_CHECKING:
    from collections.abc import Callable

    from models.spec import Card, Runner

log = structlog.get_logger()


class Warm:
    """Holds one runner at a time: a GPU rarely has room for two."""

    def __init__(self) -> None:
        self._name: str | None = None
        self._runner: Runner | None = None
        self.spoiled = False
        """An error has left this process in a state in which no other job should run."""

    def runner_for(self, card: Card, report: Callable[[Phase], None]) -> Runner:
        """The runner of this card, from memory if it is the one that ran last."""
        if self._runner is not None and self._name == card.name:
            return self._runner
        report(Phase.LOADING_MODEL)
        self._runner = None
        gc.collect()
        self._runner, self._name = load_runner(card), card.name
        log.info("model loaded", model=card.name)
        return self._runner
