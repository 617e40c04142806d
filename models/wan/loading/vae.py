"""Loads the VAE in float32: half precision would save 0.25 GB and visibly shift colors."""

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

_VAE: Any = AutoencoderKLWan
_convert_names: Any = single_file_utils.convert_wan_vae_to_diffusers
_ORIGINAL_NAMES = "decoder.middle."
"""Start of the authors' tensor names; diffusers calls it `decoder.mid_block`."""
_LOAD_OPTIONS = {"torch_dtype": torch.float32, "local_files_only": True}


def load(folder: Path, variant: Variant) -> tuple[Any, str]:
    """Load the VAE of a folder to the CPU; returns it and its format for a job's notes.

    It is either diffusers' own file or one with the authors' names, such as
    `wan_2.1_vae.safetensors`. Both need `config.json` beside them, else diffusers would ask the
    Hub for it. Raises `WeightsInvalid`.
    """
    config = _config(folder / "config.json", variant)
    files = layout.library_files(folder)
    single = layout.single_file(folder, ".safetensors")
    if len(files) == 1:
        _check(files[0], folder / "config.json", config)
        with tensors.read_errors(files[0]):
            model = _VAE.from_pretrained(folder, use_safetensors=True, **_LOAD_OPTIONS)
        return _frozen(model), "float32"
    if single is None:
        raise layout.missing(folder)
    _check(single, folder / "config.json", config)
    with tensors.read_errors(single):
        model = _VAE.from_single_file(str(single), config=str(folder), **_LOAD_OPTIONS)
    return _frozen(model), "float32, single file"


def _frozen(model: Any) -> Any:
    return model.eval().requires_grad_(False)


def _config(path: Path, variant: Variant) -> dict[str, Any]:
    config = tensors.read_json(path)
    channels = config.get("z_dim", 16)
    scale = config.get("scale_factor_spatial", 8)
    if (channels, scale) != (variant.latent_channels, variant.vae_scale):
        raise WeightsInvalid(
            f"{path} has {channels} latent channels at 1/{scale} of the size, but "
            f"{variant.name} has {variant.latent_channels} at 1/{variant.vae_scale}: "
            "it is the VAE of another model"
        )
    return config


def _check(path: Path, config_path: Path, config: dict[str, Any]) -> None:
    found: dict[str, Shape] = tensors.safetensors_shapes(path)
    if any(name.startswith(_ORIGINAL_NAMES) for name in found):
        found = _convert_names(found)
    with tensors.read_errors(config_path), torch.device("meta"):
        model = _VAE.from_config(config)
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    tensors.compare(found, expected, path)
