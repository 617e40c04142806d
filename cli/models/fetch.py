"""Pulling models one after the other, with bars, until all are there or the user stops it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import typer

from cli.models.formatting import amount, pace
from cli.models.interrupts import Stop, run_stoppable
from cli.models.progress_bars import Bars
from weights.errors import PullStopped, WeightsError
from weights.volume.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from rich.console import Console

    from cli.models.model_selection import Choice
    from cli.models.settings import ModelsSettings
    from weights.download.pull import Pulled


@dataclass(frozen=True)
class Order:
    """A model to pull, and in which profile."""

    choice: Choice
    profile: str

    def __str__(self) -> str:
        return f"{self.choice.name} ({self.profile})"


@dataclass(frozen=True)
class Outcome:
    """What became of an order: what was pulled, or the error in a sentence."""

    order: Order
    pulled: Pulled | None = None
    error: str | None = None

    def told(self) -> dict[str, Any]:
        """All that `--json` says of it."""
        told: dict[str, Any] = {"name": self.order.choice.name, "profile": self.order.profile}
        if self.pulled is None:
            return told | {"ok": False, "error": self.error}
        return told | {
            "ok": True,
            "folder": str(self.pulled.folder),
            "fetched_bytes": self.pulled.fetched_bytes,
            "seconds": round(self.pulled.seconds, 3),
        }

    def text(self) -> str:
        """In a line."""
        if self.pulled is None:
            return f"{self.order}: {self.error}"
        came, seconds = self.pulled.fetched_bytes, max(self.pulled.seconds, 0.001)
        text = f"{self.order}: {self.pulled.folder}"
        if not came:
            return f"{text}, nothing to fetch"
        return f"{text}, {amount(came)} fetched in {seconds:.1f} s, {pace(came / seconds)}"


def fetch(
    orders: Sequence[Order],
    settings: ModelsSettings,
    console: Console,
    *,
    adopt: Sequence[Path] = (),
) -> Iterator[Outcome]:
    """Pull each; one that cannot be had does not keep the others from it.

    Ends the program, with what is to be known, when the user stops it.
    """
    stop = Stop()
    folders = (*adopt, *settings.weights_adopt)
    for number, order in enumerate(orders, 1):
        title = f"[{number}/{len(orders)}] {order}" if len(orders) > 1 else str(order)
        try:
            with Bars(console, title) as bars:
                pulled = run_stoppable(
                    partial(_pull, order, settings, bars=bars, folders=folders, stop=stop), stop
                )
        except PullStopped:
            console.print(
                f"{order}: stopped. What has come is kept, the next pull goes on from it."
            )
            raise typer.Exit(stop.exit_code) from None
        except WeightsError as error:
            yield Outcome(order, error=str(error))
        else:
            yield Outcome(order, pulled)


def _pull(
    order: Order, settings: ModelsSettings, *, bars: Bars, folders: Sequence[Path], stop: Stop
) -> Pulled:
    # The mover and its clients cost half a second to import: only who pulls pays.
    from weights.download.pull import Limits, pull
    from weights.sources.source_factory import open_sources

    order.choice.refuse_license(order.profile, settings.accept_licenses)
    selection = order.choice.manifest.select(order.profile, strict=settings.weights_strict)
    return pull(
        selection,
        Volume(settings.weights),
        open_sources(settings),
        limits=Limits.of(settings),
        watch=bars.show,
        stop=stop,
        adopt_from=folders,
    )
