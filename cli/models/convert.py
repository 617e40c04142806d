"""`kinomill models convert`: convert a published checkpoint to safetensors."""

from __future__ import annotations

import json
import os
import re
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from cli.models import options
from cli.models.formatting import format_bytes
from kinomill.cli.signals import interrupt_on_sigterm
from models import catalog
from models.errors import ModelError
from runtime.files import fsync_file, fsync_folder, sha256_file
from weights.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help=f"The model of the checkpoint: {', '.join(catalog.CONVERTERS)}.",
        show_default=False,
    ),
]
Source = Annotated[
    Path,
    typer.Argument(
        metavar="SRC",
        help="The checkpoint, in any published format: a training checkpoint, a plain state dict, "
        "a TorchScript archive, safetensors. No code in a pickle is executed.",
        exists=True,
        dir_okay=False,
        show_default=False,
    ),
]
Target = Annotated[
    Path | None,
    typer.Argument(
        metavar="DEST",
        help="The file to write, or a folder for it. Default: beside SRC, with the suffix "
        ".safetensors.",
        show_default=False,
    ),
]
Half = Annotated[
    bool,
    typer.Option(
        "--half", help="Write fp16: half the size. On a CPU the model still computes in fp32."
    ),
]
BaseSize = Annotated[
    str | None,
    typer.Option(
        metavar="HEIGHTxWIDTH",
        help="The size of the pictures that a checkpoint of inspyrenet was trained with. Only for "
        "files of your own: that of published ones is known.",
        show_default=False,
    ),
]
AsJson = options.AsJson
Force = Annotated[bool, typer.Option("--force", help="Replace DEST if it exists.")]


class ConversionFailed(WeightsError):
    """The checkpoint was not converted: the message says why."""


@dataclass(frozen=True)
class FileDigest:
    """Path, size and sha256 of a file."""

    path: Path
    size_bytes: int
    sha256: str

    @classmethod
    def of(cls, path: Path, *, final_path: Path | None = None) -> FileDigest:
        """Hash the whole file. `final_path` is reported if the file is renamed later."""
        return cls(final_path or path, path.stat().st_size, sha256_file(path))

    def as_json(self) -> dict[str, object]:
        """Return the entry of `--json`."""
        return {"path": str(self.path), "bytes": self.size_bytes, "sha256": self.sha256}

    def __str__(self) -> str:
        return f"{self.path}  {format_bytes(self.size_bytes)}\n  sha256 {self.sha256}"


def convert(  # noqa: PLR0913 - the options of a command, each with its name
    name: Name,
    source: Source,
    target: Target = None,
    half: Half = False,
    base_size: BaseSize = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Convert a published checkpoint to the safetensors that a worker loads.

    Every name and shape is checked against the network first. The file is
    written atomically; Ctrl-C leaves nothing behind.

    Example: kinomill models convert wav2lip wav2lip_gan.pth /weights/lip --half

    Exit code: 0 written, 1 not a valid checkpoint or no space, 2 usage error,
    130 interrupted.
    """
    interrupt_on_sigterm()
    if name not in catalog.CONVERTERS:
        known = ", ".join(catalog.CONVERTERS)
        raise typer.BadParameter(f"no converter for {name!r}; models with one: {known}")
    dtype = "fp16" if half else "fp32"
    size = _size(base_size)
    path = _target_path(source, target)
    if path.exists() and not force:
        raise ConversionFailed(f"{path} already exists: use --force to replace it")
    with (
        _readable_errors(path),
        atomic_output(path) as partial,
        Console(stderr=True).status("") as status,
    ):
        status.update("loading PyTorch …")
        write = _converter(name)
        if size and "base_size" not in signature(write).parameters:
            raise typer.BadParameter(f"{name} has no base size: omit --base-size")
        status.update(
            f"reading and checking {source.name} ({format_bytes(source.stat().st_size)}) …"
        )
        write(source, partial, dtype=dtype, **size)
        status.update("hashing …")
        digests = FileDigest.of(source), FileDigest.of(partial, final_path=path)
    _print(name, dtype, *digests, as_json=as_json)


@contextmanager
def atomic_output(target: Path) -> Iterator[Path]:
    """Yield a temporary path that is renamed to the target at the end, or removed on an error."""
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        partial.touch()
        mode = partial.stat().st_mode  # safetensors creates files that only their owner can read
        yield partial
        partial.chmod(mode)
        fsync_file(partial)
        partial.replace(target)
        fsync_folder(target.parent)
    finally:
        partial.unlink(missing_ok=True)


def _target_path(source: Path, target: Path | None) -> Path:
    file = source.with_suffix(".safetensors")
    if target is None:
        return file
    return target / file.name if target.is_dir() else target


def _size(text: str | None) -> dict[str, tuple[int, int]]:
    """The keyword argument of a converter; none if the option is omitted."""
    if text is None:
        return {}
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    size = (int(match[1]), int(match[2])) if match else (0, 0)
    if not all(side and side % 32 == 0 for side in size):
        raise typer.BadParameter(
            f"--base-size {text}: use height x width in multiples of 32, for example 1024x1024"
        )
    return {"base_size": size}


def _converter(name: str) -> Callable[..., None]:
    try:
        return catalog.converter(name)
    except ModuleNotFoundError as error:
        raise ConversionFailed(
            f"`models convert` needs {error.name}: install kinomill with its extra `worker`"
        ) from error


@contextmanager
def _readable_errors(path: Path) -> Iterator[None]:
    """Convert all errors of a conversion to `ConversionFailed`."""
    try:
        yield
    except ModelError as error:
        raise ConversionFailed(str(error)) from error
    except OSError as error:
        raise ConversionFailed(f"{path} cannot be written: {error.strerror or error}") from error


def _print(name: str, dtype: str, source: FileDigest, target: FileDigest, *, as_json: bool) -> None:
    if as_json:
        files = {"source": source.as_json(), "target": target.as_json()}
        typer.echo(json.dumps({"name": name, "dtype": dtype} | files))
    else:
        typer.echo(f"{source}\n{target}")
