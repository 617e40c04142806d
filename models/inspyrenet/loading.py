"""The weights of a worker: one network or two, by the mode that they are for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, Literal

import torch

from models.errors import InputRejected, WeightsInvalid
from models.inspyrenet import checkpoint
from models.inspyrenet.error_codes import MODE_UNAVAILABLE
from models.inspyrenet.saliency import SaliencyModel
from models.settings import MattingSettings
from runtime.files import sha256_file

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from models.inspyrenet.network import InSPyReNet

Mode = Literal["auto", "base", "fast"]

FILES: Final = {
    "base": ("ckpt_base.safetensors", "ckpt_base.pth", "ckpt_base_nightly.pth"),
    "fast": ("ckpt_fast.safetensors", "ckpt_fast.pth"),
}
"""In order of preference: files of `kinomill models convert` before published ones."""
SMALL_SIDE: Final = 512
"""`auto` is `fast` for pictures whose longer side is shorter: `base` is worse on them."""


class Models:
    """The loaded networks by their mode, at least one of them."""

    def __init__(self, weights: Path) -> None:
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        settings = MattingSettings()
        self._models: dict[str, SaliencyModel] = {}
        self._digests: dict[str, str] = {}
        with ThreadPoolExecutor(max_workers=1) as executor:
            for mode, names in FILES.items():
                path = next((weights / name for name in names if (weights / name).exists()), None)
                if path is not None:
                    digest = executor.submit(sha256_file, path)
                    self._models[mode] = SaliencyModel(
                        _load(path), device, compiled=settings.matting_compile
                    )
                    self._digests[mode] = digest.result()
        if not self._models:
            raise WeightsInvalid(f"{weights} has none of {', '.join(sum(FILES.values(), ()))}")

    def warm_up(self) -> None:
        """Run each network once."""
        for model in self._models.values():
            model.warm_up()

    def select(self, mode: Mode, picture: NDArray[np.uint8]) -> str:
        """The mode for a picture `(h, w, 3)`. Raises `InputRejected`."""
        wanted = mode
        if mode == "auto":
            wanted = "fast" if max(picture.shape[:2]) < SMALL_SIDE else "base"
            return wanted if wanted in self._models else next(iter(self._models))
        if wanted not in self._models:
            raise InputRejected(
                MODE_UNAVAILABLE.code,
                f"The worker has no weights for the mode {wanted}. Use auto, or ask the operator "
                "to add the profile `both`.",
                field="mode",
            )
        return wanted

    def __getitem__(self, mode: str) -> SaliencyModel:
        return self._models[mode]

    def notes(self, mode: str) -> dict[str, str]:
        """What a result says of the network that made it."""
        return {
            "mode": mode,
            "weights_sha256": self._digests[mode],
            "runs_on": str(self._models[mode]),
        }


def _load(path: Path) -> InSPyReNet:
    """A file of the volume, of the base size that it states or that its published name means.

    The volume has checked the sha256 of each but `nightly`, of which none is published.
    """
    size = checkpoint.stated_base_size(path) or checkpoint.PUBLISHED.get(path.name)
    if size is None:
        raise WeightsInvalid(
            f"{path} does not state its base size: write it with `kinomill models convert`"
        )
    return checkpoint.load(path, size)
