"""The autoencoder, in float32: half precision saves 0.25 GB and costs visible color."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from diffusers import AutoencoderKLWan
from diffusers.loaders import single_file_utils

from models.errors import WeightsInvalid
from models.wan.loading import layout, tensors

if TYPE_CHECKING:
    from pathlib import Path

    from models.wan.loading.tensors import Shape
    from models.wan.variants import Variant

_STOCK: Any = AutoencoderKLWan
_RENAMED: Any = single_file_utils.convert_wan_vae_to_diffusers
_AUTHORS = "decoder.middle."
"""The start of a name as the authors spell it; diffusers says `decoder.mid_block`."""


def load(folder: Path, variant: Variant) -> tuple[Any, str]:
    """The VAE of a folder on the CPU, and its form in words. Raises `WeightsInvalid`.

    Either diffusers' own file or one with the authors' names, such as `wan_2.1_vae.safetensors`;
    `config.json` lies beside both, else diffusers would ask the Hub for it.
    """
    config = _config(folder / "config.json", variant)
    files = layout.stock(folder)
    single = layout.foreign(folder, ".safetensors")
    if len(files) == 1:
        _check(files[0], folder / "config.json", config)
        with tensors.readable(files[0]):
            return _ready(_STOCK.from_pretrained(folder, use_safetensors=True, **_KEPT)), "float32"
    if single is None:
        raise layout.nothing(folder)
    _check(single, folder / "config.json", config)
    with tensors.readable(single):
        model = _STOCK.from_single_file(str(single), config=str(folder), **_KEPT)
    return _ready(model), "float32, out of one file"


_KEPT = {"torch_dtype": torch.float32, "local_files_only": True}


def _ready(model: Any) -> Any:
    return model.eval().requires_grad_(False)


def _config(path: Path, variant: Variant) -> dict[str, Any]:
    config = tensors.settings(path)
    channels = config.get("z_dim", 16)
    scale = config.get("scale_factor_spatial", 8)
    if (channels, scale) != (variant.latent_channels, variant.vae_scale):
        raise WeightsInvalid(
            f"{path} says {channels} latent channels at 1/{scale} of the size, where "
            f"{variant.name} has {variant.latent_channels} at 1/{variant.vae_scale}: "
            "it is the VAE of another model"
        )
    return config


def _check(path: Path, config_path: Path, config: dict[str, Any]) -> None:
    found: dict[str, Shape] = tensors.of_safetensors(path)
    if any(name.startswith(_AUTHORS) for name in found):
        found = _RENAMED(found)
    with tensors.readable(config_path), torch.device("meta"):
        model = _STOCK.from_config(config)
    wanted = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    tensors.compare(found, wanted, path)
