"""`kinomill models convert`: a published checkpoint as safetensors."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from cli.models import options
from cli.models.formatting import amount
from kinomill.cli.signals import interrupt_on_sigterm
from models import catalog
from models.errors import ModelError
from weights.errors import WeightsError
from weights.volume import disk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help=f"Whose checkpoint it is: {', '.join(catalog.CONVERTERS)}.",
        show_default=False,
    ),
]
Source = Annotated[
    Path,
    typer.Argument(
        metavar="SRC",
        help="A checkpoint in any form in which it goes about: a training checkpoint, a plain "
        "state dict, a TorchScript archive, safetensors. Nothing that lies in a pickle is run.",
        exists=True,
        dir_okay=False,
        show_default=False,
    ),
]
Target = Annotated[
    Path | None,
    typer.Argument(
        metavar="DEST",
        help="The file to write, or a folder for it; else beside SRC, under its name with "
        ".safetensors.",
        show_default=False,
    ),
]
Half = Annotated[
    bool,
    typer.Option("--half", help="Write fp16: half the size, and a CPU computes in fp32 as ever."),
]
AsJson = options.AsJson
Force = Annotated[bool, typer.Option("--force", help="Replace DEST if it is there.")]


class Unconverted(WeightsError):
    """There is no new file: the text says what is in the way."""


@dataclass(frozen=True)
class Print:
    """What a file is known by."""

    path: Path
    size_bytes: int
    sha256: str

    @classmethod
    def of(cls, path: Path, *, known_as: Path | None = None) -> Print:
        """Read the whole file, which may have another name later."""
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return cls(known_as or path, path.stat().st_size, digest)

    def told(self) -> dict[str, object]:
        """For programs."""
        return {"path": str(self.path), "bytes": self.size_bytes, "sha256": self.sha256}

    def __str__(self) -> str:
        return f"{self.path}  {amount(self.size_bytes)}\n  sha256 {self.sha256}"


def convert(
    name: Name,
    source: Source,
    target: Target = None,
    half: Half = False,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Write a published checkpoint as safetensors, with only what a worker loads.

    Every name and shape is checked against the network first. The new file appears whole or not
    at all; Ctrl-C leaves nothing.

    Example: kinomill models convert wav2lip wav2lip_gan.pth /weights/lip --half

    Exit code: 0 written, 1 no such checkpoint or no room for it, 2 usage, 130 interrupted.
    """
    interrupt_on_sigterm()
    if name not in catalog.CONVERTERS:
        known = ", ".join(catalog.CONVERTERS)
        raise typer.BadParameter(f"{name!r} is not converted; these are: {known}")
    dtype = "fp16" if half else "fp32"
    place = _placed(source, target)
    if place.exists() and not force:
        raise Unconverted(f"{place} is there already: --force replaces it")
    with _in_words(place), whole(place) as partial, Console(stderr=True).status("") as status:
        status.update("loading PyTorch …")
        write = _converter(name)
        status.update(f"reading and checking {source.name} ({amount(source.stat().st_size)}) …")
        write(source, partial, dtype=dtype)
        status.update("hashing …")
        prints = Print.of(source), Print.of(partial, known_as=place)
    _say(name, dtype, *prints, as_json=as_json)


@contextmanager
def whole(target: Path) -> Iterator[Path]:
    """A path to write to, which becomes the target at the end, and is gone after any error."""
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        partial.touch()
        mode = partial.stat().st_mode  # safetensors puts a file there that only its owner can read
        yield partial
        partial.chmod(mode)
        disk.sync(partial)
        partial.replace(target)
        disk.sync(target.parent)
    finally:
        partial.unlink(missing_ok=True)


def _placed(source: Path, target: Path | None) -> Path:
    file = source.with_suffix(".safetensors")
    if target is None:
        return file
    return target / file.name if target.is_dir() else target


def _converter(name: str) -> Callable[..., None]:
    try:
        return catalog.converter(name)
    except ModuleNotFoundError as error:
        raise Unconverted(
            f"this needs {error.name}: install kinomill with its extra `worker`"
        ) from error


@contextmanager
def _in_words(place: Path) -> Iterator[None]:
    """Every way in which a conversion may fail, as one line."""
    try:
        yield
    except ModelError as error:
        raise Unconverted(str(error)) from error
    except OSError as error:
        raise Unconverted(f"{place} cannot be written: {error.strerror or error}") from error


def _say(name: str, dtype: str, source: Print, target: Print, *, as_json: bool) -> None:
    if as_json:
        told = {"source": source.told(), "target": target.told()}
        typer.echo(json.dumps({"name": name, "dtype": dtype} | told))
    else:
        typer.echo(f"{source}\n{target}")
