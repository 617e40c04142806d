"""The Wan image-to-video variants: the numbers in which they differ. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Quality = Literal["fast", "best"]
Size = Literal["480p", "720p"]

NEGATIVE_PROMPT: Final = (
    "色调艳丽，过曝，静态，细节模糊不清，字幕，风格，作品，画作，画面，静止，整体发灰，最差质量，"  # noqa: RUF001 - the authors' words
    "低质量，JPEG压缩残留，丑陋的，残缺的，多余的手指，画得不好的手部，画得不好的脸部，畸形的，"  # noqa: RUF001
    "毁容的，形态畸形的肢体，手指融合，静止不动的画面，杂乱的背景，三条腿，背景人很多，倒着走"  # noqa: RUF001
)
"""`sample_neg_prompt` of Wan2.2's `wan/configs/shared_config.py`, the same in Wan2.1."""

TEMPORAL_SCALE: Final = 4
"""Frames that the VAE compresses into one latent frame: a clip has 4k + 1 frames."""


@dataclass(frozen=True)
class FastSchedule:
    """Sampling with a distilled 4-step LoRA: Euler, as first-order UniPC without corrector.

    LightX2V distilled steps and guidance together, so guidance is 1: one pass for each step. UniPC
    is used because the pipeline would shift the sigmas of its own Euler scheduler twice.
    """

    steps: int = 4
    guidance: float = 1.0
    shift: float = 5.0
    max_steps: int = 12


@dataclass(frozen=True)
class Variant:
    """One Wan model. Sources: the authors' `wan/configs/*.py` and `generate.py`."""

    name: str
    experts: Literal[1, 2]
    """Number of denoisers; with two, the first runs above `boundary_ratio`, the second below."""
    image_encoder: bool
    """Whether the text tokens are followed by CLIP tokens of the image, as in Wan2.1."""
    boundary_ratio: float | None
    """The share of the 1000 training steps at which the second expert takes over."""
    expand_timesteps: bool
    """Whether each token has its own time step and the first latent frame is the image."""
    fps: int
    frames: int
    multiple: int
    """Width and height must be multiples of it: the VAE's scale times patches of 2."""
    steps: int
    guidance: float
    guidance_2: float | None
    """Of the low-noise expert; None unless there are two."""
    shift: Mapping[Size, float] = field(hash=False)
    """The flow shift by size class."""
    fast: FastSchedule | None
    """None if the manifest has no distilled LoRA."""
    areas: Mapping[Size, int] = field(hash=False)
    """Pixels of each size class, the default first. Wan keeps the area, not a side."""
    vae_scale: int
    """Pixels per side of one latent pixel."""
    latent_channels: int
    budget: int
    """Limit of megapixels x frames x steps x segments for one job."""
    temporal_scale: int = TEMPORAL_SCALE
    prompt_tokens: int = 512
    """Must not change: the attention of Wan2.1 always takes the last 512 tokens as text."""
    negative_prompt: str = NEGATIVE_PROMPT

    @property
    def default_size(self) -> Size:
        """The size class of a request without one."""
        return next(iter(self.areas))

    def default_steps(self, quality: Quality) -> int:
        """Denoising steps of a request without a number of steps."""
        return self.fast.steps if quality == "fast" and self.fast else self.steps

    def default_shift(self, quality: Quality, pixels: int) -> float:
        """Flow shift for a frame of that many pixels: that of the nearest size class."""
        if quality == "fast" and self.fast:
            return self.fast.shift
        return self.shift[min(self.areas, key=lambda size: abs(self.areas[size] - pixels))]


_AREAS: Final[Mapping[Size, int]] = MappingProxyType({"480p": 480 * 832, "720p": 720 * 1280})

WAN2_1_I2V: Final = Variant(
    name="wan2.1-i2v",
    experts=1,
    image_encoder=True,
    boundary_ratio=None,
    expand_timesteps=False,
    fps=16,
    frames=81,
    multiple=16,
    steps=40,
    guidance=5.0,
    guidance_2=None,
    shift=MappingProxyType({"480p": 3.0, "720p": 5.0}),
    fast=FastSchedule(),
    areas=_AREAS,
    vae_scale=8,
    latent_channels=16,
    budget=12_000,
)
"""One denoiser of 14B with CLIP. Source: Wan2.1's `generate.py`, shift 3 for 480p."""

WAN2_2_I2V: Final = Variant(
    name="wan2.2-i2v",
    experts=2,
    image_encoder=False,
    boundary_ratio=0.9,
    expand_timesteps=False,
    fps=16,
    frames=81,
    multiple=16,
    steps=40,
    guidance=3.5,
    guidance_2=3.5,
    shift=MappingProxyType({"480p": 5.0, "720p": 5.0}),
    fast=FastSchedule(),
    areas=_AREAS,
    vae_scale=8,
    latent_channels=16,
    budget=12_000,
)
"""Two experts of 14B. Source: Wan2.2's `wan/configs/wan_i2v_A14B.py`."""

WAN2_2_TI2V_5B: Final = Variant(
    name="wan2.2-ti2v-5b",
    experts=1,
    image_encoder=False,
    boundary_ratio=None,
    expand_timesteps=True,
    fps=24,
    frames=121,
    multiple=32,
    steps=50,
    guidance=5.0,
    guidance_2=None,
    shift=MappingProxyType({"720p": 5.0}),
    fast=None,
    areas=MappingProxyType({"720p": 704 * 1280}),
    vae_scale=16,
    latent_channels=48,
    budget=24_000,
)
"""5B with the 16x VAE of Wan2.2. Source: `wan/configs/wan_ti2v_5B.py`. No distilled LoRA."""

VARIANTS: Final[Mapping[str, Variant]] = MappingProxyType(
    {variant.name: variant for variant in (WAN2_1_I2V, WAN2_2_I2V, WAN2_2_TI2V_5B)}
)
"""Every variant by name; its card has the same name."""
