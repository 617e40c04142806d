"""The finished parts of a run: tensors, each in a file that is whole or not there."""

from __future__ import annotations

import hashlib
import os
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Self

import structlog
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from models.resuming import KEPT
from runtime.files import sha256_file
from runtime.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

    from models.spec import Input

log = structlog.get_logger()

MAX_BYTES: Final = 4 * 2**30
"""Of one job. What comes after it is not kept: a clip of 81 frames of 640 x 640 takes 9 MB."""


class Parts:
    """Parts of one run by their numbers.

    Keeping is a favor: where it fails, as on a full disk, the run goes on and keeps no more.
    """

    def __init__(
        self, folder: Path | None = None, key: str = "", *, max_bytes: int = MAX_BYTES
    ) -> None:
        """`key` names all that the parts depend on: parts of another key are deleted.

        Without a folder nothing is kept.
        """
        self._folder = folder / key if folder else None
        self._left = max_bytes
        self.taken = 0
        """Parts that an earlier attempt has left and that were taken up."""
        if folder is not None:
            self._clear_others(folder, key)

    @classmethod
    def of(cls, out: Path, params: Input, inputs: Mapping[str, Path], *made_by: object) -> Self:
        """The parts of a run: its request, the content of its files, and what `made_by` names.

        `out` and `inputs` are those of `Runner.generate`.
        """
        kept = out.parent / KEPT
        if not kept.is_symlink():
            return cls()
        digest = hashlib.sha256()
        files = [f"{name} {sha256_file(path)}" for name, path in sorted(inputs.items())]
        for each in (VERSION, torch.__version__, *made_by, params.model_dump_json(), *files):
            digest.update(f"{each}\0".encode())
        return cls(kept.readlink(), digest.hexdigest())

    def take(self, number: int) -> dict[str, Tensor] | None:
        """A part that is there, on the CPU. A damaged one counts as missing, and is deleted."""
        path = self._path(number)
        if path is None or not path.is_file():
            return None
        try:
            tensors: dict[str, Tensor] = load_file(path)
        except (OSError, SafetensorError) as error:
            log.warning("kept part not readable", part=number, error=str(error))
            with suppress(OSError):
                path.unlink()
            return None
        self.taken += 1
        return tensors

    def keep(self, number: int, tensors: Mapping[str, Tensor]) -> None:
        """Keep a part for the next attempt."""
        path = self._path(number)
        if path is None or path.is_file():
            return
        stored = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        size = sum(tensor.nbytes for tensor in stored.values())
        if size > self._left:
            return
        self._left -= size
        partial = path.with_name(f"{path.name}.{os.getpid()}")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            save_file(stored, partial)
            partial.replace(path)
        except (OSError, SafetensorError) as error:  # safetensors wraps errors of the disk
            log.warning("part not kept", part=number, error=str(error))
            self._folder = None
            with suppress(OSError):
                partial.unlink(missing_ok=True)

    @property
    def notes(self) -> dict[str, Any]:
        """What the job shows; nothing unless parts were taken up."""
        return {"parts_of_a_lost_attempt": self.taken} if self.taken else {}

    def _path(self, number: int) -> Path | None:
        return None if self._folder is None else self._folder / f"{number:06}.safetensors"

    def _clear_others(self, folder: Path, key: str) -> None:
        with suppress(OSError):
            for other in folder.iterdir():
                if other.name != key:
                    shutil.rmtree(other, ignore_errors=True)
