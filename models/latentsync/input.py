"""The input of both versions of LatentSync. Imports no media library."""

from __future__ import annotations

import secrets
from typing import ClassVar, Final

from pydantic import Field

from models.lipsync import input as lipsync

SEEDS: Final = 2**32


def _random_seed() -> int:
    """A seed for a job without one: drawn once at submission, so that the job shows it."""
    return secrets.randbelow(SEEDS)


class Input(lipsync.Input):
    """A face, as a photo or a video, and the voice or text that it speaks."""

    form_order: ClassVar[tuple[str, ...]] = (
        *lipsync.SOURCE,
        "seed",
        "steps",
        "guidance",
        "cache_interval",
        "face",
        "region",
        *lipsync.RESULT,
    )

    steps: int = Field(
        default=20,
        ge=20,
        le=50,
        description="Denoising steps. More take longer in proportion and give finer mouths.",
    )
    guidance: float = Field(
        default=1.5,
        ge=1,
        le=3,
        description="How strongly the mouth follows the sound. Higher values sync better, but "
        "distort the face and make it jitter. 1 is twice as fast.",
    )
    cache_interval: int = Field(
        default=1,
        ge=1,
        le=5,
        description="Run the whole network only in every n-th step, and in the others only its "
        "last layer on what it kept (DeepCache). Higher values are faster and less exact. 1: off.",
    )
    seed: int = Field(
        default_factory=_random_seed,
        ge=0,
        lt=SEEDS,
        description="The same seed gives the same video. Default: a random one, which the job "
        "shows.",
    )

    def work(self, voice_seconds: float | None) -> float | None:
        """Steps x seconds, twice that with guidance."""
        if voice_seconds is None:
            return None
        return voice_seconds * self.steps * (2 if self.guidance > 1 else 1)
