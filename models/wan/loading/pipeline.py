"""Loads a whole pipeline from the folder of a model's weights, whatever format each part has.

Nothing is downloaded and nothing unpickled. The files present decide the format; names and shapes
of each component are checked before it is read. Raises `WeightsInvalid` with the file's path. Not
yet run on weights of full size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from diffusers import UniPCMultistepScheduler, WanImageToVideoPipeline
from diffusers.utils import logging as diffusers_logging
from transformers import CLIPImageProcessorPil, CLIPVisionModel
from transformers.utils import logging as transformers_logging

from models.errors import WeightsInvalid
from models.wan.loading import layout, tensors, text_encoder, transformer, vae
from models.wan.loading.loaded import TRANSFORMERS, LoadedPipeline

if TYPE_CHECKING:
    from pathlib import Path

    from models.wan.variants import Variant

_PIPELINE: Any = WanImageToVideoPipeline
_SCHEDULER: Any = UniPCMultistepScheduler
_VISION: Any = CLIPVisionModel
_PROCESSOR: Any = CLIPImageProcessorPil

_OTHER_EXPERT = {
    TRANSFORMERS[0]: ("low_noise", "lownoise"),
    TRANSFORMERS[1]: ("high_noise", "highnoise"),
}
"""Words in a file's name that mean it belongs to the other expert."""
_FINGERPRINT_TENSORS = ("scale_shift_table", "proj_out.bias", "patch_embedding.bias")
"""Small tensors that differ between any two trained experts."""


def load(folder: Path, variant: Variant, *, dtype: torch.dtype = torch.bfloat16) -> LoadedPipeline:
    """Load one model: experts and text encoder as `dtype`, VAE and image encoder as float32.

    By calculation this takes 69 GB of main memory for Wan2.2 in bfloat16, 32 GB with GGUF Q5_0.
    Shards are memory-mapped: there is never a second copy (measured on an expert of 303 M values).
    """
    _disable_progress_bars()
    _check_index(folder / "model_index.json", variant)
    components, formats = _load_experts(folder, variant, dtype)
    components["scheduler"] = _scheduler(folder / "scheduler")
    components["vae"], formats["vae"] = vae.load(folder / "vae", variant)
    encoder, formats["text_encoder"] = text_encoder.load(folder / "text_encoder", dtype)
    components["text_encoder"] = encoder
    components["tokenizer"] = text_encoder.load_tokenizer(folder / "tokenizer")
    if variant.image_encoder:
        components |= _load_image_encoder(folder)
        formats["image_encoder"] = "float32"
    return _loaded(folder, variant, components, formats)


def load_experts(
    folder: Path, variant: Variant, *, dtype: torch.dtype = torch.bfloat16
) -> LoadedPipeline:
    """Load the experts of one model only; its pipeline has no other component."""
    _disable_progress_bars()
    components, formats = _load_experts(folder, variant, dtype)
    components |= dict.fromkeys(("scheduler", "vae", "text_encoder", "tokenizer"))
    return _loaded(folder, variant, components, formats)


def _load_experts(
    folder: Path, variant: Variant, dtype: torch.dtype
) -> tuple[dict[str, Any], dict[str, str]]:
    """The experts by component name, and their format."""
    components: dict[str, Any] = {}
    formats = {}
    for name in TRANSFORMERS[: variant.experts]:
        _check_name(folder / name)
        components[name], formats["experts"] = transformer.load(folder / name, variant, dtype)
    _check_experts_differ(folder, components)
    return components, formats


def _loaded(
    folder: Path, variant: Variant, components: dict[str, Any], formats: dict[str, str]
) -> LoadedPipeline:
    pipe = _PIPELINE(
        **components,
        boundary_ratio=variant.boundary_ratio,
        expand_timesteps=variant.expand_timesteps,
    )
    quantized = formats["experts"].startswith("GGUF")
    return LoadedPipeline(pipe, variant, folder, quantized=quantized, formats=formats)


def _check_index(path: Path, variant: Variant) -> None:
    """The index must match the variant: the pipeline gets the variant's values, not the index's."""
    index = tensors.read_json(path)
    found = {
        "boundary_ratio": index.get("boundary_ratio"),
        "expand_timesteps": bool(index.get("expand_timesteps")),
        "transformer_2": _has_component(index, "transformer_2"),
        "image_encoder": _has_component(index, "image_encoder"),
    }
    expected = {
        "boundary_ratio": variant.boundary_ratio,
        "expand_timesteps": variant.expand_timesteps,
        "transformer_2": variant.experts > 1,
        "image_encoder": variant.image_encoder,
    }
    for key, value in expected.items():
        if found[key] != value:
            raise WeightsInvalid(
                f"{path} has {key} {found[key]}, but {variant.name} has {value}: "
                "it is the index of another model"
            )


def _has_component(index: dict[str, Any], name: str) -> bool:
    return bool(index.get(name)) and index[name][0] is not None


def _check_name(folder: Path) -> None:
    """A file with high-noise in its name does not belong to the low-noise expert."""
    for path in folder.glob("*.gguf"):
        plain = path.name.lower().replace("-", "_")
        if any(word in plain for word in _OTHER_EXPERT[folder.name]):
            raise WeightsInvalid(
                f"{path} belongs to the other expert, by its name: swap the two files"
            )


def _check_experts_differ(folder: Path, components: dict[str, Any]) -> None:
    """Equal values in both experts mean that one file was put in both folders."""
    if TRANSFORMERS[1] not in components:
        return
    first, second = (dict(components[name].named_parameters()) for name in TRANSFORMERS)
    if all(torch.equal(first[name], second[name]) for name in _FINGERPRINT_TENSORS):
        raise WeightsInvalid(
            f"{folder / TRANSFORMERS[1]} has the same weights as {folder / TRANSFORMERS[0]}: "
            "the high-noise and the low-noise expert are different files"
        )


def _scheduler(folder: Path) -> Any:
    """The published scheduler; each job creates its own from it."""
    path = folder / "scheduler_config.json"
    config = tensors.read_json(path)
    with tensors.read_errors(path):
        return _SCHEDULER.from_config(config)


def _load_image_encoder(folder: Path) -> dict[str, Any]:
    """Load CLIP's vision tower and its image processor."""
    encoder_folder = folder / "image_encoder"
    if not layout.library_files(encoder_folder):
        raise layout.missing(encoder_folder)
    for file in layout.library_files(encoder_folder):
        tensors.safetensors_shapes(file)
    tensors.read_json(encoder_folder / "config.json")
    with tensors.read_errors(encoder_folder):
        encoder, loading = _VISION.from_pretrained(
            encoder_folder,
            dtype=torch.float32,
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
        )
    tensors.raise_on_mismatch(
        encoder_folder,
        {
            "missing": sorted(loading["missing_keys"]),
            "of another shape": loading["mismatched_keys"],
        },
    )
    config = tensors.read_json(folder / "image_processor" / "preprocessor_config.json")
    with tensors.read_errors(folder / "image_processor"):
        processor = _PROCESSOR.from_dict(config)
    return {
        "image_encoder": encoder.eval().requires_grad_(False),
        "image_processor": processor,
    }


def _disable_progress_bars() -> None:
    """Keep the libraries' progress bars out of a worker's log."""
    for library in (diffusers_logging, transformers_logging):
        library.disable_progress_bar()
