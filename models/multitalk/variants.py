"""MultiTalk and InfiniteTalk: the numbers in which they differ. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

from models.wan.variants import WAN2_1_I2V

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from models.wan.variants import Quality, Variant

Resolution = Literal["480p", "720p"]

FPS: Final = 25
"""Frames per second of every talking picture: the voice's features come at this rate."""
VOICE_RATE: Final = 16_000
"""Samples per second of a voice."""


@dataclass(frozen=True)
class FastSettings:
    """Sampling with a distilled LoRA, which has the text guidance baked in."""

    steps: int
    shift: float = 2.0
    audio_guidance: float = 2.0
    max_steps: int = 12


@dataclass(frozen=True)
class TalkingVariant:
    """One talking-picture model on the base of Wan2.1. The numbers are the authors' defaults."""

    base: Variant
    """The image-to-video model that it extends, under the name of this one."""
    motion_frames: int
    """Last frames of a clip that the next one continues: 4k + 1."""
    given_motion: bool
    """Whether the next clip is conditioned on those frames, which are noised to each step's time.

    Else it is conditioned on the picture alone, and they are pasted clean around each step.
    """
    norm_float32: bool
    """Whether the norm of the audio projection is computed in float32."""
    takes_video: bool
    """Whether a clip may stand in for the picture: each part then follows its own frame of it."""
    clip_frames: int = 81
    """Frames of one clip, as in training: 4k + 1."""
    steps: int = 40
    guidance: float = 5.0
    audio_guidance: float = 4.0
    shift: Mapping[Resolution, float] = field(default_factory=lambda: _SHIFT, hash=False)
    areas: Mapping[Resolution, int] = field(default_factory=lambda: _AREAS, hash=False)
    """Pixels of each size class, about: sides are multiples of 64."""
    fast: Mapping[str, FastSettings] = field(default_factory=lambda: _FAST, hash=False)
    """By the id of the LoRA; the first that a worker has is used."""

    step_cache: Mapping[Resolution, Sequence[float]] = field(
        default_factory=lambda: _STEP_CACHE, hash=False
    )
    """How the output changes with the time modulation: a polynomial, the highest power first."""

    @property
    def name(self) -> str:
        """The name in the API."""
        return self.base.name

    def default_steps(self, quality: Quality) -> int:
        """The most steps of a request without a number of steps."""
        return self.steps if quality == "best" else max(one.steps for one in self.fast.values())


_SHIFT: Final[Mapping[Resolution, float]] = MappingProxyType({"480p": 7.0, "720p": 11.0})
_AREAS: Final[Mapping[Resolution, int]] = MappingProxyType({"480p": 627 * 627, "720p": 960 * 960})
_FAST: Final[Mapping[str, FastSettings]] = MappingProxyType(
    {"8step": FastSettings(8), "4step": FastSettings(4)}
)
_STEP_CACHE: Final[Mapping[Resolution, Sequence[float]]] = MappingProxyType(
    {
        "480p": (257151.496, -35422.9917, 1402.86849, -13.5890334, 0.132517977),
        "720p": (8107.0546, 2133.93892, -372.934672, 16.6203073, -0.0417769401),
    }
)

MULTITALK: Final = TalkingVariant(
    base=replace(WAN2_1_I2V, name="multitalk", fps=FPS),
    motion_frames=25,
    given_motion=True,
    norm_float32=False,
    takes_video=False,
)
INFINITETALK: Final = TalkingVariant(
    base=replace(WAN2_1_I2V, name="infinitetalk", fps=FPS),
    motion_frames=9,
    given_motion=False,
    norm_float32=True,
    takes_video=True,
)


def frame_count(samples: int) -> int:
    """Video frames of so many samples of a voice."""
    return samples * FPS // VOICE_RATE
