"""`kinomill models verify`: read and hash every stored byte again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from cli.models import model_selection, options
from cli.models.model_selection import ModelProfile
from cli.models.transfer.interrupts import StopEvent, run_interruptible
from cli.models.transfer.progress_bars import ProgressBars
from cli.models.transfer.pull_models import pull_models
from cli.models.volume_state import VolumeState, selection_state
from weights.errors import PullStopped
from weights.volume.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cli.models.settings import ModelsSettings
    from weights.volume.verify import BadFile

Repair = Annotated[bool, typer.Option("--repair", help="Download the bad files again.")]


@dataclass
class VerifyOutcome:
    """The result of verifying, and perhaps repairing, one model."""

    target: ModelProfile
    bad_files: list[BadFile]
    error: str | None = None
    """Why the repair failed."""
    repaired: bool = False

    @property
    def ok(self) -> bool:
        """Whether all files are right now."""
        return self.repaired or not self.bad_files

    def as_json(self) -> dict[str, Any]:
        """Return the entry of `--json`."""
        bad = [{"path": each.path, "reason": str(each.reason)} for each in self.bad_files]
        entry = {"name": self.target.model.name, "profile": self.target.profile, "ok": self.ok}
        return entry | {"bad_files": bad, "repaired": self.repaired, "error": self.error}

    def lines(self) -> Iterator[str]:
        """Yield a line for each bad file and one for the model."""
        for bad in self.bad_files:
            yield f"{self.target}: {bad.path}: {bad.reason.replace('_', ' ')}"
        if self.error:
            yield f"{self.target}: not repaired: {self.error}"
        if self.ok:
            yield f"{self.target}: " + ("repaired" if self.repaired else "all files are correct")


def verify(
    names: options.Names = None,
    profile: options.Profile = None,
    volume: options.Volume = None,
    repair: Repair = False,
    as_json: options.AsJson = False,
) -> None:
    """Hash stored files again and compare them with the manifest.

    A bad file is removed; --repair, or the next pull, downloads it again.
    Without a NAME, all models on the volume are verified, in all profiles that
    are there.

    Exit code: 0 everything is correct or was repaired, 1 something is wrong, 2
    usage error, 130 interrupted.
    """
    settings = options.settings(volume)
    console = Console(stderr=True)
    targets = list(_targets(names or [], profile, settings))
    outcomes = [VerifyOutcome(*each) for each in _verified(targets, settings, console)]
    if repair:
        _repair([each for each in outcomes if each.bad_files], settings, console)
    ok = all(each.ok for each in outcomes)
    if as_json:
        models = [each.as_json() for each in outcomes]
        typer.echo(json.dumps({"ok": ok, "volume": str(settings.weights), "models": models}))
    else:
        _print(outcomes)
        if not (outcomes or names):
            typer.echo(f"no model is on the volume {settings.weights}")
    raise typer.Exit(int(not ok))


def _targets(
    names: Sequence[str], profile: str | None, settings: ModelsSettings
) -> Iterator[ModelProfile]:
    for model in model_selection.with_weights(names):
        yield ModelProfile(model, model.profile(settings, profile))
    if not names:
        volume = Volume(settings.weights)
        for model in model_selection.all_models():
            for each in model.manifest.profiles:
                state = selection_state(volume.select(model.manifest, each), volume).state
                if state in {VolumeState.ON_DISK, VolumeState.CORRUPT}:
                    yield ModelProfile(model, each)


def _verified(
    targets: Sequence[ModelProfile], settings: ModelsSettings, console: Console
) -> Iterator[tuple[ModelProfile, list[BadFile]]]:
    from weights.volume.verify import verify

    stop, volume = StopEvent(), Volume(settings.weights)
    for target in targets:
        selection = volume.select(target.model.manifest, target.profile)
        try:
            with ProgressBars(console, f"verifying {target}") as bars:
                work = partial(verify, selection, volume, bars.show, stop=stop)
                bad_files = run_interruptible(work, stop)
        except PullStopped:
            console.print("stopped: not all files were verified")
            raise typer.Exit(stop.exit_code) from None
        yield target, bad_files


def _repair(outcomes: Sequence[VerifyOutcome], settings: ModelsSettings, console: Console) -> None:
    pulls = pull_models([each.target for each in outcomes], settings, console)
    for outcome, pulled in zip(outcomes, pulls, strict=True):
        outcome.error = pulled.error
        outcome.repaired = pulled.error is None


def _print(outcomes: Sequence[VerifyOutcome]) -> None:
    for outcome in outcomes:
        for line in outcome.lines():
            typer.echo(line)
