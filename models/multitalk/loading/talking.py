"""Loads a whole talking-picture model: the base in any form, audio layers, speech encoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from models.errors import WeightsInvalid
from models.multitalk.loading import audio_layers, speech_encoder
from models.wan.loading import pipeline

if TYPE_CHECKING:
    from pathlib import Path

    from models.multitalk.denoiser import TalkingDenoiser
    from models.multitalk.variants import TalkingVariant
    from models.wan.loading.loaded import LoadedPipeline


@dataclass(frozen=True)
class LoadedTalking:
    """A complete model in main memory."""

    base: LoadedPipeline
    """Its transformer has the audio layers in its blocks."""
    denoiser: TalkingDenoiser
    wav2vec: Any
    """The speech encoder, in float32. It stays on the CPU: a minute of voice takes seconds."""


def load(folder: Path, variant: TalkingVariant) -> LoadedTalking:
    """Load a model; the base is in bfloat16 or GGUF, the audio layers in the base's type.

    Raises `WeightsInvalid`.
    """
    if not (folder / "transformer" / "config.json").exists():
        raise WeightsInvalid(
            f"{folder} has no transformer/config.json: a profile with the base in shards or GGUF "
            "is needed; files in the authors' layout, in int8 or in fp8 cannot be loaded"
        )
    wav2vec = speech_encoder.load(folder / "wav2vec2")
    base = pipeline.load(folder, variant.base)
    denoiser = audio_layers.load(
        folder / "audio",
        next(iter(base.experts.values())),
        wav2vec.config,
        norm_float32=variant.norm_float32,
    )
    base.formats["audio_layers"] = str(denoiser.dtype).removeprefix("torch.")
    return LoadedTalking(base, denoiser, wav2vec)
