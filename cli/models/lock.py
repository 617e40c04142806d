"""`kinomill models lock`: record or fill in what a manifest leaves unknown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.models import model_selection, options
from runtime.extras import install_command
from weights.errors import WeightsError
from weights.volume.volume import Volume

if TYPE_CHECKING:
    from cli.models.model_selection import SelectedModel
    from cli.models.settings import ModelsSettings
    from weights.manifest.pin_result import PinResult

InPlace = Annotated[
    bool,
    typer.Option(
        "--in-place",
        help="For authors of manifests: edit the weights.toml instead of recording on the volume.",
    ),
]
Check = Annotated[
    bool, typer.Option("--check", help="Write nothing; only print what would change.")
]
AllModels = Annotated[bool, typer.Option("--all", help="Lock all models of this version.")]


def lock(
    names: options.Names = None,
    all_models: AllModels = False,
    volume: options.Volume = None,
    in_place: InPlace = False,
    check: Check = False,
    as_json: options.AsJson = False,
) -> None:
    """Record sizes, digests, commits and file names that a weights.toml leaves unknown.

    They are requested from the Hub over TLS and recorded on the volume, which
    every later pull and check uses: a branch becomes its current commit, and a
    pattern the files that it matches. No weights are downloaded, and the
    weights.toml, which may be read-only, is not changed. What is recorded
    already is compared with the Hub, and stays. Gated Hugging Face
    repositories need HF_TOKEN.

    With --in-place, the values are written into the weights.toml itself; known
    values are never changed, and comments stay.

    Exit code: 0 every value is known, 1 a value is unknown or differs, 2 usage
    error.
    """
    if bool(names) == all_models:
        raise typer.BadParameter("name the models to lock, or use --all")
    selected = (
        model_selection.all_models()
        if all_models
        else list(model_selection.with_weights(names or []))
    )
    settings, work = options.settings(volume), _pin if in_place else _record
    results = [(model, work(model, settings, check=check)) for model in selected]
    if as_json:
        typer.echo(json.dumps({"models": [_entry(*each) for each in results]}))
    else:
        for model, result in results:
            _print(model, result, check=check)
    raise typer.Exit(int(any(result.unresolved or result.conflicts for _, result in results)))


def _record(model: SelectedModel, settings: ModelsSettings, *, check: bool) -> PinResult:
    # imported here: the Hub's clients take half a second
    from weights.download.lock import lock
    from weights.sources.remote_metadata import list_files
    from weights.sources.source_factory import open_sources

    store = Volume(settings.weights)
    if not check:
        store.open()
    with open_sources(settings) as sources:
        return lock(
            model.manifest,
            store,
            sources.describe,
            lambda uri: list_files(uri, settings),
            check=check,
        )


def _pin(model: SelectedModel, settings: ModelsSettings, *, check: bool) -> PinResult:
    # imported here: tomlkit and the Hub's clients take a second, and tomlkit is optional
    try:
        from weights.manifest.pinning import pin, write_manifest
    except ModuleNotFoundError as error:
        raise WeightsError(
            f"`models lock --in-place` needs {error.name}: {install_command('weights')}"
        ) from error
    from weights.sources.remote_metadata import list_files
    from weights.sources.source_factory import open_sources

    text = model.path.read_text("utf-8")
    with open_sources(settings) as sources:
        result = pin(text, sources.describe, lambda uri: list_files(uri, settings))
    if not check and result.text != text:
        write_manifest(model.path, result.text)
    return result


def _entry(model: SelectedModel, result: PinResult) -> dict[str, Any]:
    return {
        "name": model.name,
        "manifest": str(model.path),
        "filled": result.filled,
        "unresolved": result.unresolved,
        "conflicts": result.conflicts,
    }


def _print(model: SelectedModel, result: PinResult, *, check: bool) -> None:
    for line in result.filled:
        typer.echo(f"{model.name}: {'would record' if check else 'recorded'}: {line}")
    for line in result.unresolved:
        typer.echo(f"{model.name}: still unknown: {line}")
    for line in result.conflicts:
        typer.echo(f"{model.name}: conflict: {line}")
    if not (result.filled or result.unresolved or result.conflicts):
        typer.echo(f"{model.name}: every value is known")
