"""Loads one denoiser from its folder, whatever its format, after checking names and shapes.

diffusers 0.42 silently loads a Wan2.1 file with a Wan2.2 config and drops its image branch; other
mistakes end in an error about meta tensors. The checks here find each of them first.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import torch
from accelerate import init_empty_weights
from diffusers import WanTransformer3DModel
from diffusers.loaders import single_file_utils

from models.errors import WeightsInvalid
from models.wan.loading import fp8, gguf, layout, tensors

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from models.wan.loading.tensors import Shape
    from models.wan.variants import Variant

_TRANSFORMER: Any = WanTransformer3DModel
_convert_names: Any = single_file_utils.convert_wan_transformer_to_diffusers
_IMAGE_BRANCH = "condition_embedder.image_embedder."
_PATCHES = "patch_embedding.weight"
_ORIGINAL_NAMES = ".self_attn."
"""Part of the authors' tensor names; diffusers calls it `attn1`."""
_FLOAT32 = frozenset(_TRANSFORMER._keep_in_fp32_modules)
"""Modules that stay float32, as in training: norms, time embedding and modulation."""
_IGNORED = re.compile("|".join(_TRANSFORMER._keys_to_ignore_on_load_unexpected))


def load(folder: Path, variant: Variant, dtype: torch.dtype) -> tuple[Any, str]:
    """Load the denoiser of a folder to the CPU; returns it and its format, e.g. `GGUF Q5_0`.

    The float32 shards of the Hub are cast to `dtype` one at a time; norms, time embedding and
    modulation stay float32, as in training. Raises `WeightsInvalid`.
    """
    config = _config(folder / "config.json", variant)
    expected = _expected_shapes(config, folder / "config.json")
    quantized, shards = layout.single_file(folder, ".gguf"), layout.library_files(folder)
    scaled = layout.single_file(folder, ".safetensors")
    if scaled is not None and not (quantized or shards):
        return _from_fp8(scaled, config, expected, dtype)
    if quantized is not None and shards:
        raise WeightsInvalid(f"{folder} has both {quantized.name} and {shards[0].name}: remove one")
    if quantized is not None:
        found, kind = tensors.gguf_shapes(quantized)
        _check(gguf.unflattened(found, expected), expected, quantized)
        return gguf.load(quantized, folder, dtype, expected), f"GGUF {kind}"
    return _from_shards(folder, shards, expected, dtype)


def reload_layers(model: Any, folder: Path, layers: Collection[str]) -> None:
    """Read the weights of some layers from the files of a folder again, in place."""
    parameters = dict(model.named_parameters())
    scaled = layout.single_file(folder, ".safetensors")
    if scaled is not None:
        found = tensors.safetensors_shapes(scaled)
        names = _names(fp8.network_shapes(found))
        wanted = {a: b for a, b in names.items() if b.rpartition(".")[0] in layers}
        with tensors.read_errors(scaled):
            for name, tensor in _converted(scaled, found, wanted, torch.float32):
                parameters[name].data.copy_(tensor)
    for shard in layout.library_files(folder):
        with tensors.opened(shard) as file:
            for name in file.keys():  # noqa: SIM118 - no dict
                if name.rpartition(".")[0] in layers:
                    parameters[name].data.copy_(file.get_tensor(name))


def input_channels(variant: Variant) -> int:
    """Input channels: the noise, and except for the 5B a mask of 4 and the image's latents."""
    if variant.expand_timesteps:
        return variant.latent_channels
    return 2 * variant.latent_channels + 4


def _from_shards(
    folder: Path, shards: list[Path], expected: Mapping[str, Shape], dtype: torch.dtype
) -> tuple[Any, str]:
    if not shards:
        raise layout.missing(folder)
    found: dict[str, Shape] = {}
    for shard in shards:
        found |= tensors.safetensors_shapes(shard)
    _check(found, expected, folder)
    with tensors.read_errors(folder):
        model = _TRANSFORMER.from_pretrained(
            folder,
            torch_dtype=dtype,
            local_files_only=True,
            low_cpu_mem_usage=True,
            use_safetensors=True,
        )
    return model.eval().requires_grad_(False), str(dtype).removeprefix("torch.")


def _from_fp8(
    path: Path, config: dict[str, Any], expected: Mapping[str, Shape], dtype: torch.dtype
) -> tuple[Any, str]:
    """Load ComfyUI's scaled fp8 file, in the authors' names, as `dtype`."""
    found = tensors.safetensors_shapes(path)
    network = fp8.network_shapes(found)
    _check(network, expected, path)
    with tensors.read_errors(path), init_empty_weights():
        model = _TRANSFORMER.from_config(config)
    with tensors.read_errors(path):
        model.load_state_dict(dict(_converted(path, found, _names(network), dtype)), assign=True)
    return model.eval().requires_grad_(False), f"fp8 -> {str(dtype).removeprefix('torch.')}"


def _converted(
    path: Path, found: Collection[str], names: Mapping[str, str], dtype: torch.dtype
) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield tensors of a scaled fp8 file, one at a time; `names` maps theirs to diffusers'."""
    for theirs, tensor in fp8.dequantized(path, found, sorted(names), torch.float32):
        ours = names[theirs]
        yield ours, tensor if _FLOAT32 & set(ours.split(".")) else tensor.to(dtype)


def _names(network: Mapping[str, Shape]) -> dict[str, str]:
    """Return the name that diffusers gives to each tensor of the network."""
    names = {theirs: next(iter(_convert_names({theirs: network[theirs]}))) for theirs in network}
    return {theirs: ours for theirs, ours in names.items() if not _IGNORED.search(ours)}


def _config(path: Path, variant: Variant) -> dict[str, Any]:
    """Read a denoiser's config and check that it belongs to this variant."""
    config = tensors.read_json(path)
    if (config.get("image_dim") is not None) != variant.image_encoder:
        has = "no" if variant.image_encoder else "an"
        raise WeightsInvalid(
            f"{path} describes {has} image branch: it is not the config of {variant.name}"
        )
    expected = {"in_channels": input_channels(variant), "out_channels": variant.latent_channels}
    for key, value in expected.items():
        if config.get(key) != value:
            raise WeightsInvalid(
                f"{path} has {key} {config.get(key)}, but {variant.name} has {value}: "
                "it is the config of another model"
            )
    return config


def _expected_shapes(config: dict[str, Any], path: Path) -> dict[str, Shape]:
    with tensors.read_errors(path), torch.device("meta"):
        model = _TRANSFORMER.from_config(config)
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def _check(found: Mapping[str, Shape], expected: Mapping[str, Shape], path: Path) -> None:
    """Compare with the names of diffusers, after converting the authors' names to them."""
    if any(_ORIGINAL_NAMES in name for name in found):
        found = _convert_names(dict(found))
    found = {name: shape for name, shape in found.items() if not _IGNORED.search(name)}
    _check_image_branch(found, expected, path)
    _check_channels(found, expected, path)
    tensors.compare(found, expected, path)


def _check_image_branch(
    found: Mapping[str, Shape], expected: Mapping[str, Shape], path: Path
) -> None:
    has, required = (
        any(name.startswith(_IMAGE_BRANCH) for name in names) for names in (found, expected)
    )
    if has and not required:
        raise WeightsInvalid(
            f"{path} has an image branch (img_emb), but its config.json has none: "
            "it is a Wan2.1 file in the place of a Wan2.2 expert"
        )
    if required and not has:
        raise WeightsInvalid(
            f"{path} has no image branch (img_emb), but its config.json has one: "
            "it is a Wan2.2 or text-to-video file in the place of Wan2.1 image-to-video"
        )


def _check_channels(found: Mapping[str, Shape], expected: Mapping[str, Shape], path: Path) -> None:
    shapes = found.get(_PATCHES), expected[_PATCHES]
    if shapes[0] is None or len(shapes[0]) != len(shapes[1]) or shapes[0] == shapes[1]:
        return
    (width, channels), (expected_width, expected_channels) = shapes[0][:2], shapes[1][:2]
    raise WeightsInvalid(
        f"{path} has {channels} input channels and a width of {width}, but its config.json has "
        f"{expected_channels} and {expected_width}: it is the file of another model"
    )
