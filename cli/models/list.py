"""`kinomill models list`: all models with weights, and what is on the volume."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.text import Text

from cli.models import model_selection, options
from cli.models.formatting import format_bytes
from cli.models.volume_state import VolumeState, selection_state
from weights.trust import Trust
from weights.volume.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli.models.model_selection import SelectedModel
    from cli.models.settings import ModelsSettings

COLORS = {VolumeState.ON_DISK: "green", VolumeState.PARTIAL: "yellow", VolumeState.CORRUPT: "red"}


def list_weights(volume: options.Volume = None, as_json: options.AsJson = False) -> None:
    """List the models with weights: size, state and license of each profile.

    State: absent, partial (the next pull resumes), on disk, or corrupt (run
    `kinomill models verify --repair`). The state is by file sizes; `verify`
    reads the bytes.

    Trust, of the least trusted file: pinned (its sha256 is in the manifest),
    hub (reported by the Hub for a pinned commit, recorded on the volume at the
    first pull and compared ever after), or unverified (refused by default:
    `kinomill models lock` records what is missing). A plus after the size says
    that the size of a file is not known yet.

    Weights only: this version can pull and mirror the weights, but accepts no
    jobs for the model.

    A star marks the profile that a pull takes by default.
    """
    settings = options.settings(volume)
    store = Volume(settings.weights)
    entries = [model_entry(model, store, settings) for model in model_selection.all_models()]
    if as_json:
        typer.echo(json.dumps({"volume": str(store.root), "models": entries}))
        return
    console = Console()
    for entry in entries:
        for line in _lines(entry):
            console.print(line, soft_wrap=True)
    console.print(f"\nThe volume is {store.root}.", highlight=False, soft_wrap=True)


def model_entry(model: SelectedModel, volume: Volume, settings: ModelsSettings) -> dict[str, Any]:
    """Return the entry of a model for `--json`."""
    return {
        "name": model.name,
        "use": model.card.task if model.card else "weights only",
        "profile": model.profile(settings),
        "profiles": [
            _profile_entry(model, name, volume, settings) for name in model.manifest.profiles
        ],
    }


def profile_summary(profile: dict[str, Any]) -> Text:
    """Return size, state and license of a profile, in columns."""
    size = format_bytes(profile["bytes"] or None) + ("+" if profile["unknown_sizes"] else " ")
    state = Text(f"{profile['text']:<14}", COLORS.get(profile["state"], ""))
    terms = profile["license"] + ("" if profile["accepted"] else " (not accepted)")
    return Text.assemble(f"{size:>10}  ", state, f"  {profile['trust']:<10}  {terms}")


def _profile_entry(
    model: SelectedModel, name: str, volume: Volume, settings: ModelsSettings
) -> dict[str, Any]:
    selection = volume.select(model.manifest, name)
    state = selection_state(selection, volume)
    return {
        "profile": name,
        "license": model.license(name),
        "commercial": model.commercial(name),
        "accepted": not model.must_accept(name, settings.accept_licenses),
        "count": len(selection.files),
        "bytes": state.total_bytes,
        "unknown_sizes": len(selection.patterns)
        + sum(volume.size_of(file) is None for file in selection.files),
        "trust": selection.trust,
        "pinned": selection.trust is Trust.PINNED,
        "state": state.state,
        "done_bytes": state.done_bytes,
        "revision": selection.revision,
        "text": state.text,
    }


def _lines(entry: dict[str, Any]) -> Iterator[Text]:
    yield Text.assemble((entry["name"], "bold"), f"  {entry['use']}")
    for profile in entry["profiles"]:
        star = "*" if profile["profile"] == entry["profile"] else " "
        yield Text(f"  {star} {profile['profile']:<20}").append_text(profile_summary(profile))
