"""`kinomill models pull`: download weights to the volume."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from cli.models import model_selection, options
from cli.models.model_selection import ModelProfile
from cli.models.transfer.pull_models import PullOutcome, pull_models
from cli.models.transfer.pull_plan import PullPlan
from kinomill.cli.parser import path
from weights.trust import Trust

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cli.models.settings import ModelsSettings

ForWorker = Annotated[
    bool,
    typer.Option(
        "--all-for-worker",
        help="Pull the models of KINOMILL_MODELS, each in its profile of "
        "KINOMILL_WEIGHTS_PROFILES, as the worker of this environment would. Needs no database "
        "and no broker.",
    ),
]
Adopt = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="FOLDER",
        help="Import files from this folder before downloading: a Hub cache, another volume, a "
        "baked image. Each file is checked against its sha256. Repeatable; "
        "KINOMILL_WEIGHTS_ADOPT adds more.",
        show_default=False,
        parser=path,
    ),
]
TrustLevel = Annotated[
    Trust | None,
    typer.Option(
        "--trust",
        help="Lowest trust of a file: pinned (its sha256 is in the manifest), hub (or reported by "
        "the Hub for a commit, over TLS; recorded on the volume and compared ever after), or "
        "unverified. Default: KINOMILL_WEIGHTS_TRUST, else hub.",
        show_default=False,
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Download nothing: list the files, what is missing, the free space, and what would "
        "make the pull fail. Sends no request; exit code 1 if the pull would fail.",
    ),
]


def pull(  # noqa: PLR0913 - each is an option of the command
    names: options.Names = None,
    profile: options.Profile = None,
    volume: options.Volume = None,
    all_for_worker: ForWorker = False,
    adopt: Adopt = None,
    trust: TrustLevel = None,
    dry_run: DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Download the weights of models to the volume and verify them.

    Files already on the volume are kept. Ctrl-C keeps what was downloaded, and
    the next pull, by any process, resumes from it. Several processes may pull
    to one volume at once: each file is downloaded by one of them.

    A file whose sha256 the manifest lacks is compared with the one that the
    Hub reports for the pinned commit; the first pull records it on the volume.

    Models whose license forbids or restricts commercial use are refused until
    KINOMILL_ACCEPT_LICENSES (a JSON list) names them. Gated Hugging Face
    repositories need HF_TOKEN.

    Example: kinomill models pull wan2.2-i2v --profile gguf-q8_0 --dry-run

    Exit code: 0 everything is there, 1 something failed or would fail, 2 usage
    error, 130 interrupted.
    """
    if bool(names) == all_for_worker:
        raise typer.BadParameter("name the models to pull, or use --all-for-worker")
    settings = options.settings(volume, trust=trust)
    _check_folders(adopt or (), settings)
    requested = _of_worker(settings) if all_for_worker else names or []
    selected = model_selection.with_weights(requested)
    targets = [ModelProfile(one, one.profile(settings, profile)) for one in selected]
    if dry_run:
        raise typer.Exit(_print_plan(PullPlan(targets, settings), as_json=as_json))
    outcomes = []
    for outcome in pull_models(targets, settings, Console(stderr=True), adopt=adopt or ()):
        outcomes.append(outcome)
        if not as_json:
            _print_outcome(outcome)
    failed = any(outcome.error for outcome in outcomes)
    if as_json:
        models = [outcome.as_json() for outcome in outcomes]
        typer.echo(
            json.dumps({"ok": not failed, "volume": str(settings.weights), "models": models})
        )
    raise typer.Exit(int(failed))


def _check_folders(adopt: Iterable[Path], settings: ModelsSettings) -> None:
    """Refuse a folder of the command line that is not there; name those of the settings."""
    for folder in adopt:
        if not folder.is_dir():
            raise typer.BadParameter(f"--adopt: there is no folder {folder}")
    for sentence in settings.missing_folders():
        typer.echo(sentence, err=True)


def _print_plan(plan: PullPlan, *, as_json: bool) -> int:
    """Print what a pull would do; return the exit code."""
    if as_json:
        typer.echo(json.dumps(plan.as_json()))
    else:
        console = Console()
        for line in plan.lines():
            console.print(line, soft_wrap=True)
    return int(bool(plan.errors))


def _of_worker(settings: ModelsSettings) -> Iterable[str]:
    if settings.models is not None:
        return settings.models
    from workers.settings import WorkerSettings

    default: tuple[str, ...] = WorkerSettings.model_fields["models"].default
    return default


def _print_outcome(outcome: PullOutcome) -> None:
    typer.secho(outcome.text(), err=outcome.error is not None)
