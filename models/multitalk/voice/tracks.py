"""One track for each person: who is heard when, and the sound of the video."""

from __future__ import annotations

import wave
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from models.errors import InputRejected, attribute_to_field
from models.multitalk.variants import VOICE_RATE
from models.multitalk.voice import loudness
from models.video import sound

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

AudioMode = Literal["together", "one_after_another"]

RATE: Final = VOICE_RATE
"""Samples per second of a track."""
SHORTEST_SECONDS: Final = 0.1
_SILENT: Final = 1e-3
"""A voice without a sample above this level is silent: -60 dBFS."""
_MIX_RATE: Final = 48_000
_MIX_BLOCK: Final = 48_000


def read(path: Path, field: str, max_seconds: float) -> Samples:
    """A voice at 16 kHz and -23 LUFS, cut at `max_seconds`.

    Raises `InputRejected`: `audio_too_short`, `audio_silent`, and the codes of an unreadable file.
    """
    with attribute_to_field(field):
        blocks = _until(sound.blocks(path, rate=RATE), round(max_seconds * RATE))
        voice = np.concatenate([np.empty(0, np.float32), *blocks])
        if len(voice) < SHORTEST_SECONDS * RATE:
            raise InputRejected(
                "audio_too_short",
                f"The voice has {len(voice) / RATE:.2f} seconds. Use one of at least "
                f"{SHORTEST_SECONDS:g} seconds.",
            )
        if np.abs(voice).max() < _SILENT:
            raise InputRejected(
                "audio_silent", "No voice can be heard in the audio. Use a louder recording."
            )
    return loudness.normalized(voice, RATE)


def arranged(voices: list[Samples], mode: AudioMode) -> list[Samples]:
    """Tracks of equal length, one for each voice; who does not speak is silent."""
    if mode == "together" or len(voices) == 1:
        length = max(map(len, voices))
        return [np.pad(voice, (0, length - len(voice))) for voice in voices]
    first, second = voices
    return [np.pad(first, (0, len(second))), np.pad(second, (len(first), 0))]


def mix(paths: Mapping[str, Path], mode: AudioMode, out: Path, max_seconds: float) -> Path:
    """The sound of the video: that of one voice as it is, or the sum of two as a WAV at `out`.

    The WAV is cut at `max_seconds`, and nothing is decoded after that.
    """
    if len(paths) == 1:
        return next(iter(paths.values()))
    streams = [_stereo(path) for path in paths.values()]
    blocks = _summed(streams) if mode == "together" else chain.from_iterable(streams)
    _write_wav(out, _until(blocks, round(max_seconds * _MIX_RATE)))
    return out


def _until(blocks: Iterable[Samples], samples: int) -> Iterator[Samples]:
    """The first samples, `(n,)` or `(channels, n)`; blocks after them are not asked for."""
    for block in blocks:
        yield block[..., :samples]
        samples -= block.shape[-1]
        if samples <= 0:
            return


def _stereo(path: Path) -> Iterator[Samples]:
    """Samples `(2, n)` in blocks of one size; the last may be shorter."""
    rest = np.empty((2, 0), np.float32)
    for samples in sound.pcm(path, rate=_MIX_RATE, channels=2):
        rest = np.concatenate((rest, samples), axis=1)
        while rest.shape[1] >= _MIX_BLOCK:
            yield rest[:, :_MIX_BLOCK]
            rest = rest[:, _MIX_BLOCK:]
    if rest.shape[1]:
        yield rest


def _summed(streams: list[Iterator[Samples]]) -> Iterator[Samples]:
    nothing = np.zeros((2, 0), np.float32)
    for blocks in zip_longest(*streams, fillvalue=nothing):
        length = max(block.shape[1] for block in blocks)
        yield sum(
            (np.pad(block, ((0, 0), (0, length - block.shape[1]))) for block in blocks),
            start=np.zeros((2, length), np.float32),
        )


def _write_wav(path: Path, blocks: Iterable[Samples]) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(_MIX_RATE)
        for block in blocks:
            pcm = np.rint(block.clip(-1, 1) * 32_767).astype("<i2")
            file.writeframes(pcm.T.tobytes())
