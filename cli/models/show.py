"""`kinomill models show`: the files of a model."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.text import Text

from cli.models import model_selection, options
from cli.models.formatting import amount
from cli.models.list import described, summary
from weights.volume.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli.models.model_selection import Choice
    from weights.manifest.manifest import Pattern, WeightFile


def show(
    name: options.Name,
    profile: options.OnlyProfile = None,
    volume: options.Volume = None,
    as_json: options.AsJson = False,
) -> None:
    """Show every file of a model: role, bytes, license, source, sha256, and whether it is here.

    Without --profile, those of all profiles, one after the other.
    """
    settings = options.settings(volume)
    store = Volume(settings.weights)
    one = model_selection.named(name)
    told = described(one, store, settings)
    if profile is not None:
        only = one.profile(settings, profile)
        told["profiles"] = [each for each in told["profiles"] if each["profile"] == only]
    for each in told["profiles"]:
        each |= _files(one, each["profile"], store)
    if as_json:
        typer.echo(json.dumps(told | {"manifest": str(one.path), "volume": str(store.root)}))
        return
    console = Console()
    for line in _lines(one, told):
        console.print(line, soft_wrap=True)


def _files(one: Choice, profile: str, volume: Volume) -> dict[str, Any]:
    patterns = [each for each in one.manifest.patterns if profile in each.profiles]
    files = one.files(profile).files
    return {
        "files": [_file(file) | {"here": volume.holds(file)} for file in files],
        "patterns": [each.model_dump(mode="json") for each in patterns],
    }


def _file(entry: WeightFile | Pattern) -> dict[str, Any]:
    return entry.model_dump(mode="json", by_alias=True, exclude={"profiles"})


def _lines(one: Choice, told: dict[str, Any]) -> Iterator[Text]:
    yield Text.assemble((one.name, "bold"), f"  {told['use']}")
    yield Text(f"manifest {one.path}")
    for profile in told["profiles"]:
        title = Text.assemble("\n", (f"profile {profile['profile']}", "bold"), "  ")
        yield title.append_text(summary(profile))
        for file in profile["files"]:
            yield from _entry(file)
        for pattern in profile["patterns"]:
            yield from _pattern(pattern)


def _entry(file: dict[str, Any]) -> Iterator[Text]:
    here = ("here", "green") if file["here"] else ("not here", "dim")
    facts = f"  {file['role']}, {amount(file['bytes'])}, {file['license']}, "
    yield Text.assemble("  ", (file["path"], "bold"), facts, here)
    yield Text(f"    {file['source']}")
    for mirror in file["mirrors"]:
        yield Text(f"    or {mirror}")
    yield Text(f"    sha256 {file['sha256'] or 'unknown'}")
    if file["note"]:
        yield Text(f"    {file['note']}")


def _pattern(pattern: dict[str, Any]) -> Iterator[Text]:
    yield Text.assemble("  ", (pattern["source"], "bold"), f"  {pattern['role']}, ")
    yield Text("    names are not known yet: `kinomill models lock` asks for them")
    if pattern["note"]:
        yield Text(f"    {pattern['note']}")
