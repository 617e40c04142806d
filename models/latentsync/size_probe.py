"""Whether a UNet of unknown origin was trained on faces of another size, detected from its output.

The versions have the same tensors, and one that runs at the size of another gives blurred or
mask-shaped mouths. So the UNet repaints the mouth of a known face at both sizes, and is refused if
it comes near the face at the other size only. Not yet run with the published weights.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np
import torch

from models import examples
from models.errors import WeightsInvalid
from models.latentsync import audio, geometry, sampling
from models.latentsync.loading.version import PUBLISHED, is_published
from models.latentsync.mask import keep_mask

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.latentsync.loading.version import Version
    from models.latentsync.networks import LatentSync

_FACE: Final = Path(examples.__file__).with_name("face.jpg")
_POINTS: Final = ((53.0, 40.5), (81.5, 40.5), (67.5, 61.0))
"""Brows and nose of the face, in its pixels."""
_SCHEDULE: Final = sampling.Schedule(steps=5)
_MAX_RATIO: Final = 1.5
"""Error at the own size, in those at the other size, above which a UNet is refused."""
_UNRELATED: Final = 1.0
"""Error of a mouth of one color. A UNet that is no better at the other size is not of it."""


def check_size(networks: LatentSync) -> None:
    """Raise `WeightsInvalid` if the UNet repaints a face well at another version's size only.

    Files with a published digest are not probed, nor is a version that has no file to mix up.
    """
    if is_published(networks.digest) or networks.version not in PUBLISHED:
        return
    own = mouth_error(networks, networks.version.size)
    for other in PUBLISHED:
        if other == networks.version:
            continue
        elsewhere = mouth_error(networks, other.size)
        if elsewhere < _UNRELATED and own > _MAX_RATIO * elsewhere:
            raise WeightsInvalid(_refusal(networks.version, other))


def mouth_error(networks: LatentSync, size: int) -> float:
    """How far a repainted mouth is from that of the face: 0, the same, to 1, unrelated, and more.

    It is the squared difference of the latents, as a share of their variance.
    """
    face = sampling.pixels(_face(size))[None]
    condition = networks.encode(face, keep_mask(size))[0]
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(1, 4, 1, *condition.shape[1:], generator=generator)
    found = networks.denoise([condition], _silence(networks.encoder), noise, _SCHEDULE)
    hole = condition[0] < 1
    wanted, repainted = condition[-4:, hole], found[0, :, 0].cpu()[:, hole]
    variance = (wanted - wanted.mean(dim=1, keepdim=True)).square().mean()
    return float((repainted - wanted).square().mean() / variance)


def _face(size: int) -> NDArray[np.uint8]:
    """A face with its mouth closed, aligned, RGB."""
    picture = cv2.imdecode(np.frombuffer(_FACE.read_bytes(), np.uint8), cv2.IMREAD_COLOR_RGB)
    return geometry.warp(np.asarray(picture, np.uint8), geometry.align(_POINTS, size), size)


def _silence(encoder: Any) -> NDArray[np.float32]:
    """The sound of a frame without a voice, `(1, tokens, width)`."""
    return audio.windows(audio.features(encoder, np.zeros(audio.RATE, np.float32)), 1, 25)


def _refusal(version: Version, other: Version) -> str:
    return (
        f"the UNet repaints a face of {other.size} pixels better than one of {version.size}: it is "
        f"that of LatentSync {other.name}, but this is version {version.name}. Use its own weights"
    )
