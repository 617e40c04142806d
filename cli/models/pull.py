"""`kinomill models pull`: weights onto the volume."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from cli.models import model_selection, options
from cli.models.fetch import Order, Outcome, fetch
from cli.models.model_selection import Choice, WithoutWeights
from cli.models.pull_plan import Forecast

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cli.models.settings import ModelsSettings

ForWorker = Annotated[
    bool,
    typer.Option(
        "--all-for-worker",
        help="Pull what the worker of this environment needs: the models of KINOMILL_MODELS, "
        "each in its profile of KINOMILL_WEIGHTS_PROFILES. Needs no database and no broker.",
    ),
]
Adopt = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="FOLDER",
        help="Look here for the files first: a cache of the Hub, another volume, a baked image. "
        "Each is checked against its hash. Repeatable; KINOMILL_WEIGHTS_ADOPT names more.",
        show_default=False,
    ),
]
NoStrict = Annotated[
    bool,
    typer.Option(
        "--no-strict",
        help="Take files whose hash, size or commit nobody has written down; as "
        "KINOMILL_WEIGHTS_STRICT=false.",
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Fetch nothing: list the files, their bytes, what is missing, the room that is left, "
        "and whether the pull would be refused.",
    ),
]


def pull(  # noqa: PLR0913 - each is an option that one types
    names: options.Names = None,
    profile: options.Profile = None,
    volume: options.Volume = None,
    all_for_worker: ForWorker = False,
    adopt: Adopt = None,
    no_strict: NoStrict = False,
    dry_run: DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Fetch the weights of models onto the volume, verified; what is there already stays.

    Ctrl-C keeps what has come, and the next pull, of any process, goes on from it. Several
    processes may pull onto one volume at once: each file is fetched by one of them.

    Models whose terms forbid commercial use are refused until KINOMILL_ACCEPT_LICENSES (a JSON
    list) names them. Gated repositories of the Hub want HF_TOKEN.

    Example: kinomill models pull wan2.2-i2v --profile gguf-q5_0 --volume /weights --dry-run

    Exit code: 0 all is there, 1 something could not be had, 2 usage, 130 interrupted.
    """
    if bool(names) == all_for_worker:
        raise typer.BadParameter("name the models to pull, or say --all-for-worker")
    settings = options.settings(volume, strict=False if no_strict else None)
    wanted = _of_worker(settings) if all_for_worker else names or []
    orders = [Order(one, one.profile(settings, profile)) for one in _choices(wanted)]
    if dry_run:
        _foretell(Forecast(orders, settings), as_json=as_json)
        return
    outcomes = []
    for outcome in fetch(orders, settings, Console(stderr=True), adopt=adopt or ()):
        outcomes.append(outcome)
        if not as_json:
            _say(outcome)
    failed = any(outcome.error for outcome in outcomes)
    if as_json:
        told = [outcome.told() for outcome in outcomes]
        typer.echo(json.dumps({"ok": not failed, "volume": str(settings.weights), "models": told}))
    raise typer.Exit(int(failed))


def _foretell(forecast: Forecast, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(forecast.told()))
        return
    console = Console()
    for line in forecast.lines():
        console.print(line, soft_wrap=True)


def _of_worker(settings: ModelsSettings) -> Iterable[str]:
    if settings.models is not None:
        return settings.models
    from workers.settings import WorkerSettings

    default: tuple[str, ...] = WorkerSettings.model_fields["models"].default
    return default


def _choices(names: Iterable[str]) -> Iterator[Choice]:
    for name in names:
        try:
            yield model_selection.named(name)
        except WithoutWeights as error:
            typer.echo(str(error), err=True)


def _say(outcome: Outcome) -> None:
    typer.secho(outcome.text(), err=outcome.error is not None)
