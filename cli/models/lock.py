"""`kinomill models lock`: the open facts of a manifest."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.errors import install_command
from cli.models import model_selection, options
from weights.errors import WeightsError

if TYPE_CHECKING:
    from cli.models.model_selection import Choice
    from weights.manifest.lockfile import Locked

Check = Annotated[bool, typer.Option("--check", help="Write nothing; only say what there is.")]
Everything = Annotated[bool, typer.Option("--all", help="All models of this version.")]


def lock(
    names: options.Names = None,
    everything: Everything = False,
    check: Check = False,
    as_json: options.AsJson = False,
) -> None:
    """Fill in what a weights.toml leaves open, from what the Hub says; for who adds a model.

    `bytes` and `sha256` that are "unknown" are asked for, a branch becomes the commit that it
    stands at, and [[patterns]] become the [[files]] that they match. Nothing that is known is
    changed, and comments stay. HF_TOKEN opens gated repositories.

    The file of the manifest is edited in place: name one of your own by its path.

    Exit code: 0 all is known, 1 something is still open or differs from the source, 2 usage.
    """
    if bool(names) == everything:
        raise typer.BadParameter("name the models to lock, or say --all")
    chosen = (
        model_selection.everything()
        if everything
        else [model_selection.named(name) for name in names or []]
    )
    found = [(one, _lock(one, check=check)) for one in chosen]
    if as_json:
        typer.echo(json.dumps({"models": [_told(*each) for each in found]}))
    else:
        for one, locked in found:
            _say(one, locked, check=check)
    raise typer.Exit(int(any(locked.open or locked.differs for _, locked in found)))


def _lock(one: Choice, *, check: bool) -> Locked:
    # The Hub's client and tomlkit cost a second to import, and are not in every installation.
    try:
        from weights.manifest.lockfile import lock as fill
        from weights.manifest.lockfile import write
        from weights.manifest.remote_metadata import facts, listing
    except ModuleNotFoundError as error:
        raise WeightsError(f"this needs {error.name}: {install_command('weights')}") from error

    settings = options.settings(None)
    text = one.path.read_text("utf-8")
    locked = fill(text, lambda at: facts(at, settings), lambda at: listing(at, settings))
    if not check and locked.text != text:
        write(one.path, locked.text)
    return locked


def _told(one: Choice, locked: Locked) -> dict[str, Any]:
    lists = {"filled": locked.filled, "open": locked.open, "differs": locked.differs}
    return {"name": one.name, "manifest": str(one.path), **lists}


def _say(one: Choice, locked: Locked, *, check: bool) -> None:
    for line in locked.filled:
        typer.echo(f"{one.name}: {'could be filled in' if check else 'filled in'}: {line}")
    for line in locked.open:
        typer.echo(f"{one.name}: still open: {line}")
    for line in locked.differs:
        typer.echo(f"{one.name}: differs: {line}")
    if not (locked.filled or locked.open or locked.differs):
        typer.echo(f"{one.name}: all is known")
