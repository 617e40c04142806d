"""`kinomill models lock`: pin a manifest."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.errors import install_command
from cli.models import model_selection, options
from weights.errors import WeightsError

if TYPE_CHECKING:
    from cli.models.model_selection import SelectedModel
    from weights.manifest.pinning import PinResult

Check = Annotated[
    bool, typer.Option("--check", help="Write nothing; only print what would change.")
]
AllModels = Annotated[bool, typer.Option("--all", help="Lock all models of this version.")]


def lock(
    names: options.Names = None,
    all_models: AllModels = False,
    check: Check = False,
    as_json: options.AsJson = False,
) -> None:
    """Pin a weights.toml: fill in unknown sizes, digests, commits and file names.

    For authors of manifests. `bytes` and `sha256` that are "unknown" are
    requested from the source, a branch becomes its current commit, and a
    pattern is replaced by the files it matches. Known values are never changed,
    and comments stay. Gated Hugging Face repositories need HF_TOKEN.

    The manifest is edited in place; to lock one of your own, give its path.

    Exit code: 0 every value is known, 1 a value is unknown or differs, 2 usage
    error.
    """
    if bool(names) == all_models:
        raise typer.BadParameter("name the models to lock, or use --all")
    selected = (
        model_selection.all_models()
        if all_models
        else [model_selection.select(name) for name in names or []]
    )
    results = [(model, _pin(model, check=check)) for model in selected]
    if as_json:
        typer.echo(json.dumps({"models": [_entry(*each) for each in results]}))
    else:
        for model, result in results:
            _print(model, result, check=check)
    raise typer.Exit(int(any(result.unresolved or result.conflicts for _, result in results)))


def _pin(model: SelectedModel, *, check: bool) -> PinResult:
    # imported here: the Hub's client and tomlkit take a second, and are optional dependencies
    try:
        from weights.manifest.pinning import pin, write_manifest
        from weights.sources.remote_metadata import fetch_metadata, list_files
    except ModuleNotFoundError as error:
        raise WeightsError(
            f"`models lock` needs {error.name}: {install_command('weights')}"
        ) from error

    settings = options.settings(None)
    text = model.path.read_text("utf-8")
    result = pin(
        text, lambda uri: fetch_metadata(uri, settings), lambda uri: list_files(uri, settings)
    )
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
        typer.echo(f"{model.name}: {'would fill in' if check else 'filled in'}: {line}")
    for line in result.unresolved:
        typer.echo(f"{model.name}: still unknown: {line}")
    for line in result.conflicts:
        typer.echo(f"{model.name}: conflict: {line}")
    if not (result.filled or result.unresolved or result.conflicts):
        typer.echo(f"{model.name}: every value is known")
