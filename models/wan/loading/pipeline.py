"""A whole pipeline out of the view of a model's weights, whatever form each part has.

Nothing is fetched and nothing unpickled. The form is told by the files that lie there; each part
is checked by names and shapes before it is read. Raises `WeightsInvalid` with a sentence that
names the file. Not yet run on weights of full size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from diffusers import UniPCMultistepScheduler, WanImageToVideoPipeline
from diffusers.utils import logging as diffusers_logging
from transformers import CLIPImageProcessorPil, CLIPVisionModel
from transformers.utils import logging as transformers_logging

from models.errors import WeightsInvalid
from models.wan.loading import layout, tensors, text_encoder, transformer, vae

if TYPE_CHECKING:
    from pathlib import Path

    from models.wan.loading.lora import Use
    from models.wan.variants import Variant

_PIPELINE: Any = WanImageToVideoPipeline
_SCHEDULER: Any = UniPCMultistepScheduler
_VISION: Any = CLIPVisionModel
_PROCESSOR: Any = CLIPImageProcessorPil

PLACES = ("transformer", "transformer_2")
"""The folders of the experts, which are also the names of the pipeline's components."""
_NAMED = {PLACES[0]: ("low_noise", "lownoise"), PLACES[1]: ("high_noise", "highnoise")}
"""Words in a file's name which say that it is the other expert's."""
_TELLING = ("scale_shift_table", "proj_out.bias", "patch_embedding.bias")
"""Small tensors that differ between any two trained experts."""


@dataclass(eq=False)
class Loaded:
    """A pipeline in memory, complete and on the CPU; who runs it moves it."""

    pipe: WanImageToVideoPipeline
    variant: Variant
    folder: Path
    """The view that it came from."""
    quantized: bool
    """Whether its experts are GGUF: a LoRA cannot be fused into those."""
    facts: dict[str, str]
    """The form of each part in words, for the notes of a job: `{"experts": "GGUF Q5_0", ...}`."""
    worn: tuple[Use, ...] = ()
    """The LoRAs at work; `models.wan.loading.lora` keeps it."""
    fused: bool = False
    """Whether those are merged into the experts."""

    @property
    def experts(self) -> dict[str, Any]:
        """The denoisers by the name of their component, in the order of their use."""
        return {place: getattr(self.pipe, place) for place in PLACES[: self.variant.experts]}


def load(folder: Path, variant: Variant, *, dtype: torch.dtype = torch.bfloat16) -> Loaded:
    """Load one model: its experts and text encoder as `dtype`, VAE and image encoder as float32.

    In host memory that is 69 GB for Wan2.2 in bfloat16 and 32 GB with GGUF Q5_0, by arithmetic.
    Shards are mapped: at no time is there a second copy (measured on an expert of 303 M values).
    """
    _quieten()
    _check_index(folder / "model_index.json", variant)
    parts: dict[str, Any] = {"scheduler": _scheduler(folder / "scheduler")}
    facts = {}
    for place in PLACES[: variant.experts]:
        _check_name(folder / place)
        parts[place], facts["experts"] = transformer.load(folder / place, variant, dtype)
    _check_twins(folder, parts)
    parts["vae"], facts["vae"] = vae.load(folder / "vae", variant)
    encoder, facts["text_encoder"] = text_encoder.load(folder / "text_encoder", dtype)
    parts["text_encoder"] = encoder
    parts["tokenizer"] = text_encoder.load_tokenizer(folder / "tokenizer")
    if variant.image_encoder:
        parts |= _image_parts(folder)
        facts["image_encoder"] = "float32"
    pipe = _PIPELINE(
        **parts,
        boundary_ratio=variant.boundary_ratio,
        expand_timesteps=variant.expand_timesteps,
    )
    quantized = facts["experts"].startswith("GGUF")
    return Loaded(pipe=pipe, variant=variant, folder=folder, quantized=quantized, facts=facts)


def _check_index(path: Path, variant: Variant) -> None:
    """The index must describe the variant: its values are used by the pipeline, not the index's."""
    index = tensors.settings(path)
    says = {
        "boundary_ratio": index.get("boundary_ratio"),
        "expand_timesteps": bool(index.get("expand_timesteps")),
        "transformer_2": _present(index, "transformer_2"),
        "image_encoder": _present(index, "image_encoder"),
    }
    should = {
        "boundary_ratio": variant.boundary_ratio,
        "expand_timesteps": variant.expand_timesteps,
        "transformer_2": variant.experts > 1,
        "image_encoder": variant.image_encoder,
    }
    for key, value in should.items():
        if says[key] != value:
            raise WeightsInvalid(
                f"{path} says {key} {says[key]} where {variant.name} has {value}: "
                "it is the index of another model"
            )


def _present(index: dict[str, Any], part: str) -> bool:
    return bool(index.get(part)) and index[part][0] is not None


def _check_name(folder: Path) -> None:
    """A file that is called high-noise does not belong to the low-noise expert."""
    for path in folder.glob("*.gguf"):
        plain = path.name.lower().replace("-", "_")
        if any(word in plain for word in _NAMED[folder.name]):
            raise WeightsInvalid(f"{path} is, by its name, the other expert's: swap the two files")


def _check_twins(folder: Path, parts: dict[str, Any]) -> None:
    """Two experts with the same values: one file was put in both places."""
    if PLACES[1] not in parts:
        return
    first, second = (dict(parts[place].named_parameters()) for place in PLACES)
    if all(torch.equal(first[name], second[name]) for name in _TELLING):
        raise WeightsInvalid(
            f"{folder / PLACES[1]} holds the same weights as {folder / PLACES[0]}: "
            "the high-noise and the low-noise expert are two files"
        )


def _scheduler(folder: Path) -> Any:
    """The published scheduler; what a job wants of it is set for each job."""
    path = folder / "scheduler_config.json"
    config = tensors.settings(path)
    with tensors.readable(path):
        return _SCHEDULER.from_config(config)


def _image_parts(folder: Path) -> dict[str, Any]:
    """CLIP's vision tower and what makes its input of a picture."""
    place = folder / "image_encoder"
    if not layout.stock(place):
        raise layout.nothing(place)
    for file in layout.stock(place):
        tensors.of_safetensors(file)
    tensors.settings(place / "config.json")
    with tensors.readable(place):
        encoder, found = _VISION.from_pretrained(
            place,
            dtype=torch.float32,
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
        )
    tensors.refuse(
        place,
        {
            "missing": sorted(found["missing_keys"]),
            "of another shape": found["mismatched_keys"],
        },
    )
    settings = tensors.settings(folder / "image_processor" / "preprocessor_config.json")
    with tensors.readable(folder / "image_processor"):
        processor = _PROCESSOR.from_dict(settings)
    return {
        "image_encoder": encoder.eval().requires_grad_(False),
        "image_processor": processor,
    }


def _quieten() -> None:
    """No progress bars of the libraries in a worker's log."""
    for bars in (diffusers_logging, transformers_logging):
        bars.disable_progress_bar()
