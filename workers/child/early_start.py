"""`python -m workers.child.early_start`: a child that imports before Celery's pool needs it.

`workers.parent.early_child` starts it. An invalid setting ends it without a word, because the
parent, which reads the same settings, reports it.
"""

from __future__ import annotations

import importlib
import re
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from runtime.gc_paused import gc_paused
from runtime.optional_imports import import_redis, import_structlog
from workers.shared import handover

if TYPE_CHECKING:
    from collections.abc import Sequence

_ARGUMENT = re.compile(r"\b(tracker_fd|pipe_handle)=(\d+)")
_LIBRARIES = ("workers.celery_app", "workers.child.process", "workers.child.warmup")
"""What every child imports besides the code of its models."""


def main() -> None:
    """Import what the child needs, wait for the parent, and run as a child that it spawned."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent too, which ends this
    channel = handover.reserve_descriptors(int(sys.argv[1]))
    with gc_paused():
        import_ahead()
    received = handover.receive(channel)
    if received is None:
        return
    from workers.settings import replace_environment

    replace_environment(received.environment)
    sys.argv = ["-c", received.arguments[-1]]
    from billiard.spawn import spawn_main

    spawn_main(**spawn_arguments(received.arguments))


def import_ahead() -> None:
    """Import the libraries of a child and the code of its warm models."""
    import_structlog()
    import_redis()
    from pydantic import ValidationError

    from models.catalog import UnknownModel
    from workers.settings import WorkerSettings, prepare_child_environment
    from workers.shared.served_models import on_demand_names, served_cards

    try:
        prepare_child_environment()
        settings = WorkerSettings()
        on_demand = on_demand_names(settings)
        cards = [card for name, card in served_cards(settings).items() if name not in on_demand]
    except (ValidationError, UnknownModel):
        sys.exit()
    for module in _LIBRARIES:
        importlib.import_module(module)
    for card in cards:
        with suppress(ModuleNotFoundError):  # the warm-up reports it, with the extra to install
            importlib.import_module(card.runner.partition(":")[0])


def spawn_arguments(command: Sequence[str]) -> dict[str, int]:
    """The descriptors that billiard passes in the code of a command line."""
    return {name: int(number) for name, number in _ARGUMENT.findall(" ".join(command))}


if __name__ == "__main__":
    main()
