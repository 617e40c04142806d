"""One denoiser out of its folder, strictly, whatever form its weights have.

A Wan2.1 file under a Wan2.2 config loads without a word in diffusers 0.42 and loses its image
branch; other mistakes end in an error about meta tensors. Each is found by names and shapes first.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import torch
from diffusers import WanTransformer3DModel
from diffusers.loaders import single_file_utils
from safetensors import safe_open

from models.errors import WeightsInvalid
from models.wan.loading import gguf, layout, tensors

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from models.wan.loading.tensors import Shape
    from models.wan.variants import Variant

_STOCK: Any = WanTransformer3DModel
_RENAMED: Any = single_file_utils.convert_wan_transformer_to_diffusers
_IMAGE_BRANCH = "condition_embedder.image_embedder."
_PATCHES = "patch_embedding.weight"
_AUTHORS = ".self_attn."
"""Part of names as the authors spell them; diffusers says `attn1`."""
_LEFT_OUT = re.compile("|".join(_STOCK._keys_to_ignore_on_load_unexpected))


def load(folder: Path, variant: Variant, dtype: torch.dtype) -> tuple[Any, str]:
    """The denoiser of a folder on the CPU, and its form in words, e.g. `GGUF Q5_0`.

    Of the float32 shards of the Hub one at a time is turned into `dtype`; norms, time embedding
    and modulation stay float32, as in training. Raises `WeightsInvalid`.
    """
    config = _config(folder / "config.json", variant)
    wanted = _wanted(config, folder / "config.json")
    quantized, shards = layout.foreign(folder, ".gguf"), layout.stock(folder)
    if quantized is not None and shards:
        raise WeightsInvalid(f"{folder} holds both {quantized.name} and {shards[0].name}: drop one")
    if quantized is not None:
        found, kind = tensors.of_gguf(quantized)
        _check(found, wanted, quantized)
        return gguf.load(quantized, folder, dtype), f"GGUF {kind}"
    return _from_shards(folder, shards, wanted, dtype)


def refill(model: Any, folder: Path, layers: Collection[str]) -> None:
    """Read the weights of some layers anew from the shards of a folder, in place."""
    own = dict(model.named_parameters())
    for shard in layout.stock(folder):
        with tensors.readable(shard), safe_open(shard, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 - no dict
                if name.rpartition(".")[0] in layers:
                    own[name].data.copy_(file.get_tensor(name))


def width(variant: Variant) -> int:
    """Channels that go in: noise, and for all but the 5B a mask of 4 and the picture beside it."""
    if variant.expand_timesteps:
        return variant.latent_channels
    return 2 * variant.latent_channels + 4


def _from_shards(
    folder: Path, shards: list[Path], wanted: Mapping[str, Shape], dtype: torch.dtype
) -> tuple[Any, str]:
    if not shards:
        raise layout.nothing(folder)
    found: dict[str, Shape] = {}
    for shard in shards:
        found |= tensors.of_safetensors(shard)
    _check(found, wanted, folder)
    with tensors.readable(folder):
        model = _STOCK.from_pretrained(
            folder,
            torch_dtype=dtype,
            local_files_only=True,
            low_cpu_mem_usage=True,
            use_safetensors=True,
        )
    return model.eval().requires_grad_(False), str(dtype).removeprefix("torch.")


def _config(path: Path, variant: Variant) -> dict[str, Any]:
    """The config of a denoiser, which must be one of this variant's."""
    config = tensors.settings(path)
    if (config.get("image_dim") is not None) != variant.image_encoder:
        has = "no" if variant.image_encoder else "an"
        raise WeightsInvalid(
            f"{path} describes {has} image branch: it is not that of {variant.name}"
        )
    expected = {"in_channels": width(variant), "out_channels": variant.latent_channels}
    for key, value in expected.items():
        if config.get(key) != value:
            raise WeightsInvalid(
                f"{path} says {key} {config.get(key)} where {variant.name} has {value}: "
                "it is the config of another model"
            )
    return config


def _wanted(config: dict[str, Any], path: Path) -> dict[str, Shape]:
    with tensors.readable(path), torch.device("meta"):
        model = _STOCK.from_config(config)
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def _check(found: Mapping[str, Shape], wanted: Mapping[str, Shape], path: Path) -> None:
    """Compare with the names of diffusers, into which those of the authors are turned first."""
    if any(_AUTHORS in name for name in found):
        found = _RENAMED(dict(found))
    found = {name: shape for name, shape in found.items() if not _LEFT_OUT.search(name)}
    _check_image_branch(found, wanted, path)
    _check_channels(found, wanted, path)
    tensors.compare(found, wanted, path)


def _check_image_branch(
    found: Mapping[str, Shape], wanted: Mapping[str, Shape], path: Path
) -> None:
    has, needs = (
        any(name.startswith(_IMAGE_BRANCH) for name in names) for names in (found, wanted)
    )
    if has and not needs:
        raise WeightsInvalid(
            f"{path} has an image branch (img_emb), which its config.json has not: "
            "it is a Wan2.1 file where an expert of Wan2.2 belongs"
        )
    if needs and not has:
        raise WeightsInvalid(
            f"{path} has no image branch (img_emb), which its config.json has: "
            "it is a Wan2.2 or text-to-video file where Wan2.1 image-to-video belongs"
        )


def _check_channels(found: Mapping[str, Shape], wanted: Mapping[str, Shape], path: Path) -> None:
    shapes = found.get(_PATCHES), wanted[_PATCHES]
    if shapes[0] is None or len(shapes[0]) != len(shapes[1]) or shapes[0] == shapes[1]:
        return
    (inner, channels), (wanted_inner, wanted_channels) = shapes[0][:2], shapes[1][:2]
    raise WeightsInvalid(
        f"{path} takes {channels} channels and is {inner} wide, where its config.json says "
        f"{wanted_channels} and {wanted_inner}: it is the file of another model"
    )
