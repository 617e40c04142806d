"""A report that is replaced by the next run only as long as nobody else has changed it."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def atomic_writer(path: Path, encoding: str) -> Iterator[IO[str]]:
    """Open a text file that replaces `path` once it is complete."""
    with _partial(path, encoding) as file:
        yield file
    Path(file.name).replace(path)


@dataclass(frozen=True)
class OwnReport:
    """A report in the folder of a run, and beside it the digests of what we wrote."""

    folder: Path
    name: str

    def delete(self) -> None:
        """Delete the report, unless somebody has changed it."""
        path = self.folder / self.name
        if self._is_own(path):
            path.unlink()

    @contextmanager
    def replaced(self, *, unlike: Path, encoding: str) -> Iterator[tuple[Path, IO[str]]]:
        """Open the report for writing: at its name or, if a file there is not ours, at NAME-2.

        `unlike` is a file that is being read, so that it is never replaced.
        """
        path = self._free_path(unlike.resolve())
        with _partial(path, encoding) as file:
            yield path, file
        partial = Path(file.name)
        digest = _digest(partial)
        with self._digests.open("a") as known:
            known.write(f"{digest}\n")
        partial.replace(path)

    def _free_path(self, unlike: Path) -> Path:
        plain = self.folder / self.name
        numbered = (plain.with_stem(f"{plain.stem}-{number}") for number in count(2))
        path = plain
        while path.resolve() == unlike or (path.exists() and not self._is_own(path)):
            path = next(numbered)
        return path

    def _is_own(self, path: Path) -> bool:
        if not (path.is_file() and self._digests.exists()):
            return False
        return _digest(path) in self._digests.read_text().split()

    @property
    def _digests(self) -> Path:
        return self.folder / f".{self.name}.sha256"


@contextmanager
def _partial(path: Path, encoding: str) -> Iterator[IO[str]]:
    """Open a file beside `path`; an error, such as a full disk, leaves nothing of it."""
    partial = path.with_name(path.name + ".new")
    try:
        with partial.open("w", encoding=encoding, newline="") as file:
            yield file
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
