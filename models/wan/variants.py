"""The Wan image-to-video models as data: what sets one apart from another. Free of torch."""

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

CHUNK: Final = 4
"""Frames that the VAE packs into one latent frame: a clip has 4k + 1 frames."""


@dataclass(frozen=True)
class Fast:
    """How a distilled 4-step LoRA is sampled: Euler, as first-order UniPC without corrector.

    LightX2V distilled steps and guidance together, so guidance is 1: one pass a step. Euler is
    written as UniPC because the pipeline shifts Euler's own list of sigmas twice.
    """

    steps: int = 4
    guidance: float = 1.0
    shift: float = 5.0
    most_steps: int = 12


@dataclass(frozen=True)
class Variant:
    """One Wan model. Sources: the authors' `wan/configs/*.py` and `generate.py`."""

    name: str
    experts: Literal[1, 2]
    """Denoisers; with two, the first works above `boundary_ratio` and the second below."""
    image_encoder: bool
    """Whether CLIP tokens of the picture go beside the text, as in Wan2.1."""
    boundary_ratio: float | None
    """The share of the 1000 training steps at which the second expert takes over."""
    expand_timesteps: bool
    """Whether each token has its own time step and the first latent frame is the picture."""
    fps: int
    frames: int
    multiple: int
    """Width and height are multiples of it: the VAE's scale times patches of 2."""
    steps: int
    guidance: float
    guidance_2: float | None
    """Of the low-noise expert; None unless there are two."""
    shift: Mapping[Size, float] = field(hash=False)
    """The flow shift by size class."""
    fast: Fast | None
    """None if its manifest has no distilled LoRA."""
    areas: Mapping[Size, int] = field(hash=False)
    """Pixels of each size class, the model's own first. Wan keeps the area, not a side."""
    vae_scale: int
    """Pixels a side of one latent pixel."""
    latent_channels: int
    budget: int
    """The most megapixels x frames x steps x segments of one job."""
    chunk: int = CHUNK
    prompt_tokens: int = 512
    """Fixed: the attention of Wan2.1 takes the last 512 tokens as text whatever is passed."""
    negative_prompt: str = NEGATIVE_PROMPT

    @property
    def size(self) -> Size:
        """The size class that it is used with unless the caller says another."""
        return next(iter(self.areas))

    def steps_of(self, quality: Quality) -> int:
        """Denoising steps of a quality, unless the caller says another number."""
        return self.fast.steps if quality == "fast" and self.fast else self.steps

    def shift_of(self, quality: Quality, pixels: int) -> float:
        """The flow shift for a frame of that many pixels: that of the nearest size class."""
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
    fast=Fast(),
    areas=_AREAS,
    vae_scale=8,
    latent_channels=16,
    budget=12_000,
)
"""One denoiser of 14B with CLIP: Wan2.1's `generate.py`, shift 3 for 480p."""

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
    fast=Fast(),
    areas=_AREAS,
    vae_scale=8,
    latent_channels=16,
    budget=12_000,
)
"""Two experts of 14B: Wan2.2's `wan/configs/wan_i2v_A14B.py`."""

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
"""5B with the 16x VAE of Wan2.2: `wan/configs/wan_ti2v_5B.py`. No distilled LoRA is pinned."""

VARIANTS: Final[Mapping[str, Variant]] = MappingProxyType(
    {variant.name: variant for variant in (WAN2_1_I2V, WAN2_2_I2V, WAN2_2_TI2V_5B)}
)
"""Every variant by its name, which is also that of its card."""
