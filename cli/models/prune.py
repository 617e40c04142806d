"""`kinomill models prune`: delete files that no kept model needs."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from cli.models import model_selection, options
from cli.models.formatting import format_bytes
from cli.models.model_selection import NoWeights
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
        help="Keep the files of this model in this profile; default profile: that of "
        "KINOMILL_WEIGHTS_PROFILES, else the model's default. Repeatable; adds to KINOMILL_MODELS.",
        show_default=False,
    ),
]
DeleteAll = Annotated[bool, typer.Option("--all", help="Keep no model: empty the volume.")]
Spare = Annotated[
    int,
    typer.Option(
        metavar="MINUTES",
        min=0,
        help="Keep files created or changed within this time: another process may be about to "
        "use them.",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="Delete. Without it, only list.")]


def prune(
    keep: Keep = None,
    delete_all: DeleteAll = False,
    spare: Spare = 60,
    yes: Yes = False,
    volume: options.Volume = None,
    as_json: options.AsJson = False,
) -> None:
    """List the files that no kept model needs, and delete them with --yes.

    Kept are the models of KINOMILL_MODELS and of --keep, each in one profile.
    Files that another process is downloading stay. --yes also deletes leftovers
    of killed processes: partial files that nobody resumed for a week, and
    temporary files.

    If several workers share the volume, name the models of all of them.
    """
    settings = options.settings(volume)
    names = [*(settings.models or ()), *(keep or ())]
    if bool(names) == delete_all:
        raise typer.BadParameter(
            "name the models to keep by --keep or KINOMILL_MODELS, or use --all"
        )
    store = Volume(settings.weights)
    kept = list(_kept(names, settings, store))
    act = _delete if yes else _list
    leftovers = act(store, kept, timedelta(minutes=spare))
    if as_json:
        typer.echo(json.dumps(_as_json(leftovers, store, deleted=yes)))
    else:
        _print(leftovers, store, deleted=yes)


def _kept(names: Sequence[str], settings: ModelsSettings, volume: Volume) -> Iterator[Selection]:
    for text in names:
        name, _, profile = text.partition("=")
        try:
            model = model_selection.select(name)
        except NoWeights:
            continue
        yield volume.select(model.manifest, model.profile(settings, profile or None))


def _list(volume: Volume, kept: Sequence[Selection], spare: timedelta) -> list[Leftover]:
    from weights.volume.prune import GRACE, unreferenced

    return unreferenced(volume, kept, now=datetime.now(UTC) + GRACE - spare)


def _delete(volume: Volume, kept: Sequence[Selection], spare: timedelta) -> list[Leftover]:
    from weights.volume.prune import GRACE, prune, sweep

    now = datetime.now(UTC)
    return [*prune(volume, kept, now=now + GRACE - spare), *sweep(volume, now=now)]


def _as_json(leftovers: Sequence[Leftover], volume: Volume, *, deleted: bool) -> dict[str, object]:
    names = _names(volume)
    files = [
        {"path": str(each.path), "bytes": each.size_bytes, "of": names.get(_id(each.path))}
        for each in leftovers
    ]
    total = sum(each.size_bytes for each in leftovers)
    return {"volume": str(volume.root), "deleted": deleted, "bytes": total, "files": files}


def _print(leftovers: Sequence[Leftover], volume: Volume, *, deleted: bool) -> None:
    names = _names(volume)
    for each in leftovers:
        name, path = names.get(_id(each.path), ""), each.path.relative_to(volume.root)
        typer.echo(f"{format_bytes(each.size_bytes):>10}  {path}  {name}".rstrip())
    total = format_bytes(sum(each.size_bytes for each in leftovers))
    if not leftovers:
        typer.echo("nothing to delete")
    elif deleted:
        typer.echo(f"{total} deleted")
    else:
        typer.echo(f"{total} can be deleted: add --yes to delete them")


def _names(volume: Volume) -> dict[str, str]:
    """Return the model and path of each file, by its id on the volume."""
    return {
        file.id: f"{model.name}: {file.path}"
        for model in model_selection.all_models()
        for profile in model.manifest.profiles
        for file in volume.select(model.manifest, profile).files
    }


def _id(path: Path) -> str:
    return path.name.partition(".")[0]
