"""`kinomill models prune`: room on the volume."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from cli.models import model_selection, options
from cli.models.formatting import amount
from cli.models.model_selection import WithoutWeights
from weights.volume.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from cli.models.settings import ModelsSettings
    from weights.manifest.manifest import Selection
    from weights.volume.prune import Leftover

Keep = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME[=PROFILE]",
        help="Keep what this model needs in this profile; without one, in that of "
        "KINOMILL_WEIGHTS_PROFILES or its default. Repeatable; adds to KINOMILL_MODELS.",
        show_default=False,
    ),
]
Everything = Annotated[bool, typer.Option("--all", help="Keep nothing: the volume is given up.")]
Spare = Annotated[
    int,
    typer.Option(
        metavar="MINUTES",
        min=0,
        help="Leave what came or was touched within this time: another process may be about to "
        "use it.",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="Delete. Without it, only list.")]


def prune(
    keep: Keep = None,
    everything: Everything = False,
    spare: Spare = 60,
    yes: Yes = False,
    volume: options.Volume = None,
    as_json: options.AsJson = False,
) -> None:
    """List, and with --yes delete, the files that the models kept here do not need.

    Kept are the models of KINOMILL_MODELS and of --keep, each in one profile. What another
    process fetches at the moment stays. With --yes, what killed processes left is swept too:
    partials that nobody went on with for a week, and scratch files.

    Several workers on one volume: name the models of all of them.
    """
    settings = options.settings(volume)
    names = [*(settings.models or ()), *(keep or ())]
    if bool(names) == everything:
        raise typer.BadParameter("say what to keep by --keep or KINOMILL_MODELS, else --all")
    kept = list(_kept(names, settings))
    store = Volume(settings.weights)
    act = _delete if yes else _list
    gone = act(store, kept, timedelta(minutes=spare))
    if as_json:
        typer.echo(json.dumps(_told(gone, store.root, deleted=yes)))
    else:
        _say(gone, store.root, deleted=yes)


def _kept(names: Sequence[str], settings: ModelsSettings) -> Iterator[Selection]:
    for text in names:
        name, _, profile = text.partition("=")
        try:
            one = model_selection.named(name)
        except WithoutWeights:
            continue
        yield one.files(one.profile(settings, profile or None))


def _list(volume: Volume, kept: Sequence[Selection], spare: timedelta) -> list[Leftover]:
    from weights.volume.prune import GRACE, unreferenced

    return unreferenced(volume, kept, now=datetime.now(UTC) + GRACE - spare)


def _delete(volume: Volume, kept: Sequence[Selection], spare: timedelta) -> list[Leftover]:
    from weights.volume.prune import GRACE, prune, sweep

    now = datetime.now(UTC)
    return [*prune(volume, kept, now=now + GRACE - spare), *sweep(volume, now=now)]


def _told(gone: Sequence[Leftover], root: Path, *, deleted: bool) -> dict[str, object]:
    names = _names()
    files = [
        {"path": str(each.path), "bytes": each.size_bytes, "of": names.get(_id(each.path))}
        for each in gone
    ]
    total = sum(each.size_bytes for each in gone)
    return {"volume": str(root), "deleted": deleted, "bytes": total, "files": files}


def _say(gone: Sequence[Leftover], root: Path, *, deleted: bool) -> None:
    names = _names()
    for each in gone:
        what = names.get(_id(each.path), "")
        typer.echo(f"{amount(each.size_bytes):>10}  {each.path.relative_to(root)}  {what}".rstrip())
    total = amount(sum(each.size_bytes for each in gone))
    if not gone:
        typer.echo("nothing to delete")
    elif deleted:
        typer.echo(f"{total} deleted")
    else:
        typer.echo(f"{total} can go: say --yes to delete them")


def _names() -> dict[str, str]:
    """What each file is, by the id that it has on a volume."""
    models = model_selection.everything()
    return {file.id: f"{one.name}: {file.path}" for one in models for file in one.manifest.files}


def _id(path: Path) -> str:
    return path.name.partition(".")[0]
