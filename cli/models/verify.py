"""`kinomill models verify`: every byte read again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from cli.models import model_selection, options
from cli.models.fetch import Order, fetch
from cli.models.interrupts import Stop, run_stoppable
from cli.models.progress_bars import Bars
from cli.models.state import State, held
from weights.errors import PullStopped
from weights.volume.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cli.models.settings import ModelsSettings
    from weights.volume.verify import Fault

Repair = Annotated[bool, typer.Option("--repair", help="Pull the bad files again.")]


@dataclass
class Finding:
    """What was found of one model."""

    order: Order
    faults: list[Fault]
    error: str | None = None
    """Why it could not be repaired."""
    repaired: bool = False

    @property
    def ok(self) -> bool:
        """Whether all files are right by now."""
        return self.repaired or not self.faults

    def told(self) -> dict[str, Any]:
        """All that `--json` says of it."""
        faults = [{"path": each.path, "flaw": str(each.flaw)} for each in self.faults]
        told = {"name": self.order.choice.name, "profile": self.order.profile, "ok": self.ok}
        return told | {"faults": faults, "repaired": self.repaired, "error": self.error}

    def lines(self) -> Iterator[str]:
        """In words: one line for each bad file, and one for the whole."""
        for fault in self.faults:
            yield f"{self.order}: {fault.path}: {fault.flaw.replace('_', ' ')}"
        if self.error:
            yield f"{self.order}: not repaired: {self.error}"
        if self.ok:
            yield f"{self.order}: " + ("repaired" if self.repaired else "every byte is right")


def verify(
    names: options.Names = None,
    profile: options.Profile = None,
    volume: options.Volume = None,
    repair: Repair = False,
    as_json: options.AsJson = False,
) -> None:
    """Hash the files of models again and compare. A bad file is removed, so a pull mends it.

    Without a NAME: every model that this volume was given, in all profiles that it has.

    Exit code: 0 all is right, or was repaired; 1 something is wrong; 2 usage; 130 interrupted.
    """
    settings = options.settings(volume)
    console = Console(stderr=True)
    orders = list(_orders(names or [], profile, settings))
    findings = [Finding(*each) for each in _verified(orders, settings, console)]
    if repair:
        _repair([each for each in findings if each.faults], settings, console)
    ok = all(each.ok for each in findings)
    if as_json:
        told = [each.told() for each in findings]
        typer.echo(json.dumps({"ok": ok, "volume": str(settings.weights), "models": told}))
    else:
        _say(findings, settings)
    raise typer.Exit(int(not ok))


def _orders(names: Sequence[str], profile: str | None, settings: ModelsSettings) -> Iterator[Order]:
    for name in names:
        one = model_selection.named(name)
        yield Order(one, one.profile(settings, profile))
    if not names:
        volume = Volume(settings.weights)
        for one in model_selection.everything():
            for each in one.manifest.profiles:
                if held(one.files(each), volume).state in {State.ON_DISK, State.BROKEN}:
                    yield Order(one, each)


def _verified(
    orders: Sequence[Order], settings: ModelsSettings, console: Console
) -> Iterator[tuple[Order, list[Fault]]]:
    from weights.volume.verify import verify

    stop, volume = Stop(), Volume(settings.weights)
    for order in orders:
        selection = order.choice.files(order.profile)
        try:
            with Bars(console, f"reading {order}") as bars:
                reading = partial(verify, selection, volume, bars.show, stop=stop)
                faults = run_stoppable(reading, stop)
        except PullStopped:
            console.print("stopped: not all files were read")
            raise typer.Exit(stop.exit_code) from None
        yield order, faults


def _repair(findings: Sequence[Finding], settings: ModelsSettings, console: Console) -> None:
    outcomes = fetch([each.order for each in findings], settings, console)
    for finding, outcome in zip(findings, outcomes, strict=True):
        finding.error = outcome.error
        finding.repaired = outcome.error is None


def _say(findings: Sequence[Finding], settings: ModelsSettings) -> None:
    for finding in findings:
        for line in finding.lines():
            typer.echo(line)
    if not findings:
        typer.echo(f"no model is on the volume {settings.weights}")
