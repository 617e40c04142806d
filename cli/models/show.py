"""`kinomill models show`: the files of a model."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.text import Text

from cli.models import model_selection, options
from cli.models.formatting import format_bytes
from cli.models.list import model_entry, profile_summary
from weights.trust import Trust
from weights.volume.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli.models.model_selection import SelectedModel
    from cli.models.settings import ModelsSettings
    from weights.manifest.manifest import WeightFile


def show(
    name: options.Name,
    profile: options.OnlyProfile = None,
    volume: options.Volume = None,
    as_json: options.AsJson = False,
) -> None:
    """Show a model's files: role, size, license, source, sha256, trust, present or not.

    Without --profile, all profiles are shown.
    """
    settings = options.settings(volume)
    model = next(model_selection.with_weights([name]), None)
    if model is not None:
        _show(model, profile, settings, as_json=as_json)
    elif as_json:
        typer.echo(json.dumps({"name": name, "profile": None, "profiles": []}))


def _show(
    model: SelectedModel, profile: str | None, settings: ModelsSettings, *, as_json: bool
) -> None:
    store = Volume(settings.weights)
    entry = model_entry(model, store, settings)
    if profile is not None:
        only = model.profile(settings, profile)
        entry["profiles"] = [each for each in entry["profiles"] if each["profile"] == only]
    for each in entry["profiles"]:
        each |= _files(model, each["profile"], store)
    if as_json:
        paths = {"manifest": str(model.path), "volume": str(store.root)}
        typer.echo(json.dumps(entry | paths))
        return
    console = Console()
    for line in _lines(model, entry):
        console.print(line, soft_wrap=True)


def _files(model: SelectedModel, profile: str, volume: Volume) -> dict[str, Any]:
    selection = volume.select(model.manifest, profile)
    return {
        "files": [_file(file, volume) for file in selection.files],
        "patterns": [each.model_dump(mode="json") for each in selection.patterns],
    }


def _file(file: WeightFile, volume: Volume) -> dict[str, Any]:
    record = volume.overlay.record_of(file)
    values = {
        "trust": file.trust,
        "recorded": record.recorded_at if record else None,
        "present": volume.holds(file),
    }
    return file.model_dump(mode="json", by_alias=True, exclude={"profiles"}) | values


def _lines(model: SelectedModel, entry: dict[str, Any]) -> Iterator[Text]:
    yield Text.assemble((model.name, "bold"), f"  {entry['use']}")
    yield Text(f"manifest {model.path}")
    if model.restrictions:
        yield Text(f"license: {model.restrictions}")
    for profile in entry["profiles"]:
        title = Text.assemble("\n", (f"profile {profile['profile']}", "bold"), "  ")
        yield title.append_text(profile_summary(profile))
        for file in profile["files"]:
            yield from _file_lines(file)
        for pattern in profile["patterns"]:
            yield from _pattern_lines(pattern)


def _file_lines(file: dict[str, Any]) -> Iterator[Text]:
    state = ("on the volume", "green") if file["present"] else ("not on the volume", "dim")
    details = f"  {file['role']}, {format_bytes(file['bytes'])}, {file['license']}, "
    yield Text.assemble("  ", (file["path"], "bold"), details, state)
    yield Text(f"    {file['source']}")
    for mirror in file["mirrors"]:
        yield Text(f"    or {mirror}")
    yield Text(f"    {_digest(file)}")
    if file["note"]:
        yield Text(f"    {file['note']}")


def _digest(file: dict[str, Any]) -> str:
    """Return the sha256 and where it comes from."""
    if file["recorded"]:
        return f"sha256 {file['sha256']} ({file['trust']}, recorded on {file['recorded']})"
    if file["sha256"]:
        return f"sha256 {file['sha256']} ({file['trust']})"
    if file["trust"] == Trust.HUB:
        return "sha256 from the Hub at the first pull (hub)"
    return "sha256 unknown (unverified)"


def _pattern_lines(pattern: dict[str, Any]) -> Iterator[Text]:
    yield Text.assemble("  ", (pattern["source"], "bold"), f"  {pattern['role']}")
    yield Text("    file names unknown: `kinomill models lock` records them")
    if pattern["note"]:
        yield Text(f"    {pattern['note']}")
