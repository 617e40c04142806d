"""From noise to the latents of speaking faces, one chunk of frames at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import torch
from diffusers import DDIMScheduler
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from models.latentsync.unet import LatentSyncUNet

    Array: TypeAlias = NDArray[np.float32] | Tensor

CHUNK: Final = 16
"""Frames that the network was trained on, and takes at a time."""
LATENT_SCALE: Final = 0.18215
"""Of the autoencoder: its latents are multiplied by it for the network."""


def chunks(frames: int, overlap: int = 0) -> list[tuple[int, int]]:
    """The first and the last frame (exclusive) of each chunk.

    Without overlap the last one is as short as it comes, as in the authors' code. Else each shares
    `overlap` frames with the one before, and the last one as many as make it a whole chunk.
    """
    starts = range(0, max(min(frames, 1), frames - overlap), CHUNK - overlap)
    found = [(start, min(frames, start + CHUNK)) for start in starts]
    if overlap and frames > CHUNK:
        found[-1] = frames - CHUNK, frames
    return found


def create_scheduler(steps: int) -> Any:
    """The noise schedule of the published weights, with `steps` steps."""
    cls: Any = DDIMScheduler
    scheduler = cls(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="epsilon",
        timestep_spacing="leading",
        steps_offset=1,
        set_alpha_to_one=False,
        clip_sample=False,
    )
    scheduler.set_timesteps(steps)
    return scheduler


@torch.inference_mode()
def denoise(  # noqa: PLR0913  # the inputs of the network, each by its name
    unet: LatentSyncUNet,
    vae: Any,
    *,
    faces: NDArray[np.uint8],
    windows: Array,
    noise: Tensor,
    mask: Array,
    steps: int,
    guidance: float,
    cache_interval: int | None = None,
) -> Tensor:
    """The latents of one chunk of faces that speak, `(1, 4, f, h, w)`.

    `faces` are `(f, size, size, 3)`, `windows` the sound of each, `(f, tokens, width)`, `noise` the
    one draw for all frames, `(1, 4, 1, h, w)`, `mask` that of `keep_mask`. With `cache_interval`
    only every n-th step runs the whole network (DeepCache).
    """
    keep = torch.as_tensor(mask).float()
    conditions = [encode_faces(vae, pixels(face)[None], keep)[0] for face in faces]
    schedule = Schedule(steps, guidance, cache_interval or 1)
    return denoise_conditions(unet, conditions, windows, noise, schedule)


@torch.inference_mode()
def denoise_conditions(
    unet: LatentSyncUNet,
    conditions: Sequence[Tensor],
    windows: Array,
    noise: Tensor,
    schedule: Schedule,
    on_step: Callable[[int], None] = lambda _: None,
) -> Tensor:
    """As `denoise`, from faces that are encoded: `conditions` are those of `encode_faces`,
    `(9, h, w)` each.

    `on_step` is called with the number of steps done; what it raises ends the loop.
    """
    sound = torch.as_tensor(windows).to(unet.device, unet.dtype)
    predict = NoisePredictor(unet, sound, schedule.guidance, schedule.cache_interval)
    condition = torch.stack(list(conditions), dim=1)[None].to(unet.device)
    latents = noise.to(unet.device, torch.float32).expand(-1, -1, len(conditions), -1, -1)
    scheduler = create_scheduler(schedule.steps)
    for index, timestep in enumerate(scheduler.timesteps.tolist()):
        noise = predict(index, torch.cat((latents, condition), dim=1), timestep)
        latents = scheduler.step(noise, timestep, latents, return_dict=False)[0]
        on_step(index + 1)
    return latents


@dataclass(frozen=True)
class Schedule:
    """How a chunk is denoised: steps, guidance, and every how many steps the whole network runs."""

    steps: int
    guidance: float = 1.0
    cache_interval: int = 1


class NoisePredictor:
    """The guided prediction of the network for one chunk, and what it keeps between steps.

    The halves with and without sound run one after the other: the same result as in one batch, in
    half of the memory.
    """

    def __init__(
        self,
        unet: LatentSyncUNet,
        sound: Tensor,
        guidance: float,
        cache_interval: int = 1,
    ) -> None:
        self._unet = unet
        self._guidance = guidance
        self._interval = cache_interval
        self._halves = [_Half(unet, sound)]
        if guidance > 1:
            self._halves.insert(0, _Half(unet, torch.zeros_like(sound)))

    def __call__(self, index: int, sample: Tensor, timestep: int) -> Tensor:
        """The noise `(1, 4, f, h, w)` in float32; `sample` is the input of the network."""
        whole = index % self._interval == 0
        found = [
            half(
                sample.to(self._unet.dtype), timestep, whole=whole, keep=self._interval > 1
            ).float()
            for half in self._halves
        ]
        return guided(found, self._guidance)


class _Half:
    """The prediction for one kind of sound, with the features of its last whole step."""

    def __init__(self, unet: LatentSyncUNet, sound: Tensor) -> None:
        self._unet = unet
        self._sound = sound
        self._deep: Tensor | None = None

    def __call__(self, sample: Tensor, timestep: int, *, whole: bool, keep: bool) -> Tensor:
        unet, sound = self._unet, self._sound
        if not keep:
            alone: Tensor = unet(sample=sample, timestep=timestep, audio=sound)
            return alone
        if whole or self._deep is None:
            noise, self._deep = unet.forward_keeping(sample=sample, timestep=timestep, audio=sound)
            return noise
        return unet.forward_last_layer(self._deep, sample=sample, timestep=timestep, audio=sound)


def guided(predictions: Sequence[Tensor], guidance: float) -> Tensor:
    """The noise from predictions without and with sound, or from the latter alone."""
    first, last = predictions[0], predictions[-1]
    return first + guidance * (last - first) if len(predictions) > 1 else last


@torch.inference_mode()
def paste(vae: Any, latents: Tensor, faces: NDArray[np.uint8], mask: Array) -> Tensor:
    """The faces of a chunk in -1..1, `(f, 3, size, size)`, with their kept pixels unchanged."""
    keep = torch.as_tensor(mask).float()
    pairs = zip(latents[0].transpose(0, 1), faces, strict=True)
    return torch.stack(
        [composite(decode(vae, one[None])[0].cpu(), pixels(face), keep) for one, face in pairs]
    )


def composite(generated: Tensor, source: Tensor, keep: Tensor) -> Tensor:
    """A generated face `(3, size, size)` with the pixels of its source where `keep` is 1."""
    return generated * (1 - keep) + source * keep


@torch.inference_mode()
def encode_faces(vae: Any, faces: Tensor, keep: Tensor) -> Tensor:
    """The network's conditions for faces `(n, 3, size, size)` in -1..1: `(n, 9, h, w)` in float32.

    The mask, the latents of the masked face and those of the whole face. Latents are the mode of
    their distribution, so that results are reproducible.
    """
    masked, whole = _encode(vae, faces * keep), _encode(vae, faces)
    reduced = functional.interpolate(keep[None, None], masked.shape[-2:], mode="nearest")
    masks = reduced.to(masked.device).expand(len(faces), -1, -1, -1)
    return torch.cat((masks, masked, whole), dim=1)


def pixels(face: NDArray[np.uint8]) -> Tensor:
    """A face `(size, size, 3)` as the network sees it: `(3, size, size)` in -1..1."""
    return torch.as_tensor(face).permute(2, 0, 1).float() / 127.5 - 1


@torch.inference_mode()
def decode(vae: Any, latents: Tensor) -> Tensor:
    """The faces `(n, 3, size, size)` of latents `(n, 4, h, w)`, about -1..1."""
    scaled = latents.to(vae.device) / LATENT_SCALE
    found: Tensor = vae.decode(scaled.to(vae.dtype), return_dict=False)[0]
    return found.float()


def _encode(vae: Any, images: Tensor) -> Tensor:
    found: Tensor = vae.encode(images.to(vae.device, vae.dtype)).latent_dist.mode()
    return found.float() * LATENT_SCALE
