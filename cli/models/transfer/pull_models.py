"""Pulls models one after the other with progress bars; the user can interrupt it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import typer

from cli.models.formatting import format_bytes, format_rate
from cli.models.transfer.interrupts import StopEvent, run_interruptible
from cli.models.transfer.progress_bars import ProgressBars
from weights.errors import PullStopped, WeightsError
from weights.volume.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from rich.console import Console

    from cli.models.model_selection import ModelProfile
    from cli.models.settings import ModelsSettings
    from weights.download.pull import PullResult


@dataclass(frozen=True)
class PullOutcome:
    """The result or the error of pulling one model."""

    target: ModelProfile
    pulled: PullResult | None = None
    error: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the entry of `--json`."""
        entry: dict[str, Any] = {
            "name": self.target.model.name,
            "profile": self.target.profile,
        }
        if self.pulled is None:
            return entry | {"ok": False, "error": self.error}
        return entry | {
            "ok": True,
            "folder": str(self.pulled.folder),
            "fetched_bytes": self.pulled.fetched_bytes,
            "seconds": round(self.pulled.seconds, 3),
        }

    def text(self) -> str:
        """Return a line for people."""
        if self.pulled is None:
            return f"{self.target}: {self.error}"
        fetched, seconds = self.pulled.fetched_bytes, max(self.pulled.seconds, 0.001)
        text = f"{self.target}: {self.pulled.folder}"
        if not fetched:
            return f"{text}, nothing to download"
        rate = format_rate(fetched / seconds)
        return f"{text}, {format_bytes(fetched)} downloaded in {seconds:.1f} s, {rate}"


def pull_models(
    targets: Sequence[ModelProfile],
    settings: ModelsSettings,
    console: Console,
    *,
    adopt: Sequence[Path] = (),
) -> Iterator[PullOutcome]:
    """Pull each model and yield its outcome; a failed one does not end the rest.

    Exits the program with a message when the user interrupts it.
    """
    stop = StopEvent()
    folders = (*adopt, *settings.weights_adopt)
    for number, target in enumerate(targets, 1):
        title = f"[{number}/{len(targets)}] {target}" if len(targets) > 1 else str(target)
        try:
            with ProgressBars(console, title) as bars:
                pulled = run_interruptible(
                    partial(_pull, target, settings, bars=bars, folders=folders, stop=stop), stop
                )
        except PullStopped:
            console.print(
                f"{target}: stopped. Downloaded data is kept, and the next pull resumes from it."
            )
            raise typer.Exit(stop.exit_code) from None
        except WeightsError as error:
            yield PullOutcome(target, error=str(error))
        else:
            yield PullOutcome(target, pulled)


def _pull(
    target: ModelProfile,
    settings: ModelsSettings,
    *,
    bars: ProgressBars,
    folders: Sequence[Path],
    stop: StopEvent,
) -> PullResult:
    # imported here: the downloader and its clients take half a second
    from weights.download.limits import PullLimits
    from weights.download.pull import pull
    from weights.sources.source_factory import open_sources

    target.model.require_license(target.profile, settings.accept_licenses)
    volume = Volume(settings.weights)
    selection = volume.select(target.model.manifest, target.profile)
    selection.require(settings.weights_trust)
    with open_sources(settings) as sources:
        return pull(
            selection,
            volume,
            sources,
            limits=PullLimits.from_settings(settings),
            on_progress=bars.show,
            stop=stop,
            adopt_from=folders,
        )
