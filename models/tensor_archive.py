"""The zip archives in which PyTorch stores tensors: checked before anything is read from one.

PyTorch writes each entry once, and uncompressed except for code, which we never read. An archive
made to harm a reader does not: an entry of kilobytes that unpacks to gigabytes, entries that share
their bytes, two entries of one name of which each reader takes another. Nothing is ever unpacked to
disk, so names and links cannot lead out of a folder.
"""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Final

from models.errors import WeightsInvalid

if TYPE_CHECKING:
    from pathlib import Path

_CODE: Final = "/code/"


def names(path: Path) -> list[str]:
    """The names of the entries of an archive that PyTorch may have written.

    Raises `WeightsInvalid` for any other zip file, `zipfile.BadZipFile` for a damaged one.
    """
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
    if any(_compressed(entry) and _CODE not in entry.filename for entry in entries):
        raise _unlike_pytorch(path, "compressed entries")
    found = [entry.filename for entry in entries]
    if len(set(found)) < len(found):
        raise _unlike_pytorch(path, "two entries of one name")
    if sum(entry.compress_size for entry in entries) > path.stat().st_size:
        raise _unlike_pytorch(path, "entries that overlap")
    return found


def is_torchscript(entries: list[str]) -> bool:
    """Whether these are the entries of a TorchScript archive, which has code and constants."""
    return any(_CODE in name or name.endswith("/constants.pkl") for name in entries)


def reject_torchscript(path: Path) -> None:
    """Raise `WeightsInvalid` for a TorchScript archive, where a file of tensors is expected."""
    with path.open("rb") as file:
        zipped = file.read(2) == b"PK"
    if zipped and is_torchscript(names(path)):
        raise WeightsInvalid(f"{path} is a TorchScript archive, but a file of tensors is expected")


def _compressed(entry: zipfile.ZipInfo) -> bool:
    return entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size


def _unlike_pytorch(path: Path, what: str) -> WeightsInvalid:
    return WeightsInvalid(
        f"{path} has {what}, which PyTorch never writes. Download it again from its author, or "
        "load and save it again with PyTorch where you trust it"
    )
