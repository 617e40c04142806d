"""The sound features of each frame: 10 steps of Whisper's encoder around its time.

The encoder gives 50 steps a second. Its states are raw: the last one is that before the final norm,
unlike the hidden states that `transformers` returns.
"""

from __future__ import annotations

from contextlib import ExitStack
from fractions import Fraction
from functools import lru_cache
from math import floor
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import WhisperConfig
from transformers.audio_utils import mel_filter_bank
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from models.errors import WeightsInvalid

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from torch import Tensor

RATE: Final = 16_000
"""Samples per second."""
STEPS_PER_SECOND: Final = 50
WINDOW: Final = 10
"""Steps for one frame: 200 ms."""
LEAD: Final = 4
"""Steps of a window before the time of its frame."""
BANDS: Final = 80

_FFT: Final = 400
_HOP: Final = 160
_PIECE: Final = 3000
"""Columns that the encoder takes at a time: 30 seconds."""
_COLUMNS_PER_STEP: Final = 2
_BLOCK: Final = 1000
"""Columns of the spectrogram that are computed at a time."""
_FLOOR: Final = 1e-10
_RANGE: Final = 8.0
"""Powers of ten below the loudest point at which a spectrogram is cut off."""
_COLUMNS_PER_SECOND: Final = RATE // _HOP
_MAX_DENOMINATOR: Final = 1_000_000
"""Of a frame rate given as a float."""
_RENAMED: Final = (
    ("blocks.", "layers."),
    ("attn.query.", "self_attn.q_proj."),
    ("attn.key.", "self_attn.k_proj."),
    ("attn.value.", "self_attn.v_proj."),
    ("attn.out.", "self_attn.out_proj."),
    ("attn_ln.", "self_attn_layer_norm."),
    ("mlp.0.", "fc1."),
    ("mlp.2.", "fc2."),
    ("mlp_ln.", "final_layer_norm."),
    ("ln_post.", "layer_norm."),
    ("positional_embedding", "embed_positions.weight"),
)
"""Names of OpenAI's checkpoint, and of transformers."""

Samples: TypeAlias = NDArray[np.float32]
Steps: TypeAlias = NDArray[np.float32]
"""States of the encoder in order, `(steps, layers + 1, width)`."""


def encoder_from_original(
    dims: Mapping[str, int], state_dict: Mapping[str, Tensor]
) -> WhisperEncoder:
    """Whisper's encoder in float32, with weights by OpenAI's names.

    `dims` and `state_dict` are those of a published file, or of its encoder alone. Raises
    `WeightsInvalid` if names or shapes are not exactly those of the encoder.
    """
    config = WhisperConfig(
        num_mel_bins=dims["n_mels"],
        max_source_positions=dims["n_audio_ctx"],
        d_model=dims["n_audio_state"],
        encoder_attention_heads=dims["n_audio_head"],
        encoder_layers=dims["n_audio_layer"],
        encoder_ffn_dim=4 * dims["n_audio_state"],
    )
    encoder = WhisperEncoder(config)
    prefix = "encoder." if any(name.startswith("encoder.") for name in state_dict) else ""
    state = {
        _library_name(name.removeprefix(prefix)): tensor.float()
        for name, tensor in state_dict.items()
        if name.startswith(prefix)
    }
    try:
        encoder.load_state_dict(state, strict=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise WeightsInvalid(f"the file is no encoder of Whisper of this size: {reason}") from error
    encoder.train(False)
    return encoder.requires_grad_(False)


def mel(samples: Samples) -> NDArray[np.float32]:
    """The log-mel spectrogram of a whole voice, `(80, columns)`, 100 columns a second.

    `samples` are mono at 16 kHz. It is cut off 80 dB below its loudest point.
    """
    energies = np.concatenate(list(_log_energies([samples])) or [np.empty((0, BANDS))])
    return _scaled(energies, energies.max(initial=np.log10(_FLOOR))).T


def features(encoder: WhisperEncoder, samples: Samples, *, overlap_seconds: float = 0) -> Steps:
    """All states of the encoder for a voice, `(rows, layers + 1, width)`, 50 rows a second.

    The encoder takes pieces of 30 seconds. By the authors' rule they do not overlap, so the
    features jump at each seam; with `overlap_seconds` a piece gives only its middle.
    """
    columns = mel(samples)
    pieces = _pieces([columns.T], overlap_seconds)
    rows = [_states(encoder, piece)[kept] for piece, kept in pieces]
    width = encoder.config.d_model
    return np.concatenate([np.empty((0, len(encoder.layers) + 1, width), np.float32), *rows])


def stream_features(
    encoder: WhisperEncoder,
    blocks: Iterable[Samples],
    loudest: float,
    *,
    overlap_seconds: float,
) -> Iterator[Steps]:
    """As `features`, from blocks of any size, one piece at a time.

    `loudest` is that of the whole voice (`loudest_energy`).
    """
    columns = (_scaled(energies, loudest) for energies in _log_energies(blocks))
    for piece, kept in _pieces(columns, overlap_seconds):
        yield _states(encoder, piece)[kept]


def loudest_energy(blocks: Iterable[Samples]) -> float:
    """The loudest point of a voice's spectrogram, log10 of its energy."""
    peaks = (float(energies.max()) for energies in _log_energies(blocks))
    return max(peaks, default=float(np.log10(_FLOOR)))


def window_indices(rows: int, frames: int, fps: float | Fraction) -> NDArray[np.int64]:
    """The rows of features of each frame, `(frames, 10)`; the first and the last row repeat."""
    rate = _exact(fps)
    centers = [floor(frame * STEPS_PER_SECOND / rate) for frame in range(frames)]
    window = np.array(centers, np.int64)[:, None] + np.arange(-LEAD, WINDOW - LEAD)
    return np.asarray(np.clip(window, 0, rows - 1), np.int64)


def windows(features: Steps, frames: int, fps: float | Fraction) -> NDArray[np.float32]:
    """The sound of each frame, `(frames, 10 * (layers + 1), width)`: row by row, then by layer."""
    found = features[window_indices(len(features), frames, fps)]
    return found.reshape(frames, -1, features.shape[-1])


def stream_windows(
    pieces: Iterable[Steps],
    fps: Fraction,
    *,
    frames: int,
    offset: Fraction = Fraction(0),
) -> Iterator[NDArray[np.float32]]:
    """As `windows`, from features that arrive in pieces, each `offset` seconds after its frame.

    Only the rows that later frames need are held.
    """
    source = iter(pieces)
    held, base, ended = next(source), 0, False
    for frame in range(frames):
        first = floor((frame / fps + offset) * STEPS_PER_SECOND) - LEAD
        while not ended and first + WINDOW > base + len(held):
            more = next(source, None)
            ended = more is None
            if more is not None:
                done = min(max(0, first - base), len(held) - 1)
                held, base = np.concatenate((held[done:], more)), base + done
        wanted = np.arange(first, first + WINDOW) - base
        yield held[np.clip(wanted, 0, len(held) - 1)].reshape(-1, held.shape[-1])


def _exact(number: float | Fraction) -> Fraction:
    return Fraction(number).limit_denominator(_MAX_DENOMINATOR)


def _library_name(name: str) -> str:
    for published, own in _RENAMED:
        name = name.replace(published, own)
    return name


def _log_energies(blocks: Iterable[Samples]) -> Iterator[NDArray[np.float64]]:
    """log10 of the mel energies in order, `(columns, 80)` each: a column for each 160 samples.

    Columns are centered on their samples, and the sound is mirrored at both ends.
    """
    half = _FFT // 2
    held, started, missing = np.empty(0), False, 0
    for block in blocks:
        held = np.concatenate((held, block))
        missing += len(block)
        if not started and len(held) > half:
            held, started = np.pad(held, (half, 0), mode="reflect"), True
        if started:
            ready = (len(held) - _FFT) // _HOP + 1
            yield from _blocks(held, ready)
            held, missing = held[ready * _HOP :], missing - ready * _HOP
    if missing >= _HOP:
        ends = (0 if started else half, half)
        yield from _blocks(np.pad(held, ends, mode="reflect"), missing // _HOP)


def _blocks(samples: NDArray[np.float64], columns: int) -> Iterator[NDArray[np.float64]]:
    """The first columns of some samples, in blocks."""
    views = np.lib.stride_tricks.sliding_window_view(samples, _FFT)[::_HOP][:columns]
    for start in range(0, columns, _BLOCK):
        spectrum = np.fft.rfft(views[start : start + _BLOCK] * _hann())
        energies = (spectrum.real**2 + spectrum.imag**2) @ _filters()
        yield np.log10(np.maximum(energies, _FLOOR))


@lru_cache(maxsize=1)
def _hann() -> NDArray[np.float64]:
    """The periodic window."""
    return np.hanning(_FFT + 1)[:-1]


@lru_cache(maxsize=1)
def _filters() -> NDArray[np.float64]:
    """Weights of the frequencies in each mel band, `(201, 80)`."""
    return mel_filter_bank(
        num_frequency_bins=_FFT // 2 + 1,
        num_mel_filters=BANDS,
        min_frequency=0.0,
        max_frequency=RATE / 2,
        sampling_rate=RATE,
        norm="slaney",
        mel_scale="slaney",
    )


def _scaled(energies: NDArray[np.float64], loudest: float) -> NDArray[np.float32]:
    return ((np.maximum(energies, loudest - _RANGE) + 4) / 4).astype(np.float32)


def _pieces(
    columns: Iterable[NDArray[np.float32]], overlap_seconds: float
) -> Iterator[tuple[NDArray[np.float32], slice]]:
    """Split a spectrogram `(columns, 80)` for the encoder, and which steps of a piece are used.

    The last piece is filled up with the number 0, as in the authors' code.
    """
    quarter = round(overlap_seconds * _COLUMNS_PER_SECOND / 4)
    stride = _PIECE - 4 * quarter
    held, skip = np.empty((0, BANDS), np.float32), 0
    for more in columns:
        held = np.concatenate((held, more))
        while len(held) > _PIECE:
            yield held[:_PIECE], slice(skip, _PIECE // _COLUMNS_PER_STEP - quarter)
            held, skip = held[stride:], quarter
    if (end := len(held) // _COLUMNS_PER_STEP) > skip:
        filled = np.zeros((_PIECE, BANDS), np.float32)
        filled[: len(held)] = held
        yield filled, slice(skip, end)


@torch.inference_mode()
def _states(encoder: WhisperEncoder, piece: NDArray[np.float32]) -> Steps:
    """The input of each layer and of the final norm for 30 seconds, `(1500, layers + 1, width)`."""
    states: list[Tensor] = []

    def keep(_: object, inputs: tuple[Tensor, ...]) -> None:
        states.append(inputs[0][0])

    with ExitStack() as hooks:
        for module in (*encoder.layers, encoder.layer_norm):
            hooks.callback(module.register_forward_pre_hook(keep).remove)
        encoder(torch.from_numpy(piece.T[None].copy()).to(encoder.conv1.weight))
    return torch.stack(states, dim=1).float().cpu().numpy()
