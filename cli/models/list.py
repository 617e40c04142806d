"""`kinomill models list`: what there is, and what of it lies here."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.text import Text

from cli.models import model_selection, options
from cli.models.formatting import amount
from cli.models.state import State, held
from weights.volume.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli.models.model_selection import Choice
    from cli.models.settings import ModelsSettings

COLORS = {State.ON_DISK: "green", State.PARTIAL: "yellow", State.BROKEN: "red"}


def list_weights(volume: options.Volume = None, as_json: options.AsJson = False) -> None:
    """List the models that have weights, each with its profiles: bytes, state, facts, license.

    State: absent, partial (the next pull goes on from there), on disk, or broken: mend it with
    `kinomill models verify --repair`. Only sizes are looked at here; `verify` reads the bytes.

    Facts: locked when every name, size, hash and commit is known. Open ones are refused until
    `kinomill models lock` has filled them in; their bytes are what is known.

    Weights only: this version can fetch and mirror the model's weights, but takes no jobs for it.

    A star marks the profile that a pull takes here.
    """
    settings = options.settings(volume)
    store = Volume(settings.weights)
    found = [described(one, store, settings) for one in model_selection.everything()]
    if as_json:
        typer.echo(json.dumps({"volume": str(store.root), "models": found}))
        return
    console = Console()
    for one in found:
        for line in _lines(one):
            console.print(line, soft_wrap=True)
    console.print(f"\nThe volume is {store.root}.", highlight=False, soft_wrap=True)


def described(one: Choice, volume: Volume, settings: ModelsSettings) -> dict[str, Any]:
    """All that `--json` says of a model."""
    return {
        "name": one.name,
        "use": one.card.task if one.card else "weights only",
        "profile": one.profile(settings),
        "profiles": [_profile(one, name, volume, settings) for name in one.manifest.profiles],
    }


def summary(profile: dict[str, Any]) -> Text:
    """What a profile is and how it stands, in columns."""
    size = amount(profile["bytes"] or None) + (" " if profile["locked"] else "+")
    state = Text(f"{profile['text']:<14}", COLORS.get(profile["state"], ""))
    facts = "locked" if profile["locked"] else "open"
    terms = profile["license"] + ("" if profile["accepted"] else " (not accepted)")
    return Text.assemble(f"{size:>10}  ", state, f"  {facts:<6}  {terms}")


def _profile(one: Choice, name: str, volume: Volume, settings: ModelsSettings) -> dict[str, Any]:
    selection = one.files(name)
    stock = held(selection, volume)
    return {
        "profile": name,
        "license": one.license(name),
        "accepted": not one.must_accept(name, settings.accept_licenses),
        "count": len(selection.files),
        "bytes": stock.total_bytes,
        "locked": one.locked(name),
        "state": stock.state,
        "done_bytes": stock.done_bytes,
        "revision": selection.revision,
        "text": stock.text,
    }


def _lines(one: dict[str, Any]) -> Iterator[Text]:
    yield Text.assemble((one["name"], "bold"), f"  {one['use']}")
    for profile in one["profiles"]:
        star = "*" if profile["profile"] == one["profile"] else " "
        yield Text(f"  {star} {profile['profile']:<20}").append_text(summary(profile))
