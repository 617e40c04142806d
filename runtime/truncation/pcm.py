"""Files of samples: WAV (also RF64), Wave64 and CAF."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runtime.truncation.missing import Missing, share

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.truncation.missing import Bytes

_UNKNOWN: Final = 0x7FFF_0000
"""A WAV that was written to a pipe states 0, or a size from here on."""


def wav(data: Bytes) -> Missing | None:
    """RIFF chunks; of RF64 the size of the samples is in `ds64`."""
    samples = _wav_samples(data)
    return None if samples is None else _of_samples(data, *samples)


def wav_seconds(data: Bytes) -> float | None:
    """The length that a WAV states, or what it holds if that is less."""
    samples = _wav_samples(data)
    if samples is None:
        return None
    at, length, rate = samples
    return max(min(length, data.size - at), 0) / rate if rate else None


def _wav_samples(data: Bytes) -> tuple[int, int, int] | None:
    """Where the samples begin, how many bytes they have, and bytes per second."""
    order = ">" if data.read(0, 4) == b"RIFX" else "<"
    rate, large = 0, 0
    for name, at, length in _chunks(data, 12, f"{order}4sI", even=True):
        if name == b"ds64":
            (large,) = data.unpack(at + 8, "<Q")
        elif name == b"fmt ":
            (rate,) = data.unpack(at + 8, f"{order}I")
        elif name == b"data":
            known = 0 < length < _UNKNOWN
            return at, length if known else large, rate
    return None


def wave64(data: Bytes) -> Missing | None:
    """Chunks named by GUIDs, whose sizes include their headers of 24 bytes."""
    rate, at = 0, 40
    while at + 24 <= data.size:
        guid, length = data.unpack(at, "<16sQ")
        if guid.startswith(b"fmt "):
            (rate,) = data.unpack(at + 24 + 8, "<I")
        elif guid.startswith(b"data"):
            return _of_samples(data, at + 24, length - 24, rate)
        at += max(length + -length % 8, 24)
    return None


def caf(data: Bytes) -> Missing | None:
    """The chunk `data` of a recording that was not closed has the size -1."""
    rate = 0.0
    for name, at, length in _chunks(data, 8, ">4sq"):
        if name == b"desc":
            hertz, _, _, packet_bytes, packet_frames = data.unpack(at, ">d4sIII")
            rate = hertz * packet_bytes / packet_frames if packet_frames else 0.0
        elif name == b"data":
            return _of_samples(data, at, length, rate)
    return None


def _chunks(
    data: Bytes, at: int, form: str, *, even: bool = False
) -> Iterator[tuple[bytes, int, int]]:
    """Name, begin of the contents and length of each chunk."""
    header = 8 if form.endswith("I") else 12
    while at + header <= data.size:
        name, length = data.unpack(at, form)
        yield name, at + header, length
        at += header + max(length + (length & 1 if even else 0), 0)


def _of_samples(data: Bytes, at: int, length: int, bytes_per_second: float) -> Missing | None:
    seconds = length / bytes_per_second if bytes_per_second else None
    return share(at + length - data.size, length, seconds)
