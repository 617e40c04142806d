"""Which layer of a denoiser a LoRA's key means, in every spelling in use.

Trainers agree neither on the prefix (`diffusion_model.`, `base_model.model.`, `transformer.`,
`lora_unet_`, none), nor on the names of the layers (the authors' or those of diffusers, with dots
or underscores), nor on those of the two matrices (`lora_A`/`lora_B`, `lora_down`/`lora_up`). A key
is looked up among the layers that the denoiser has, so no spelling is guessed from the file.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator


class Part(StrEnum):
    """What a tensor of a LoRA is to its layer."""

    DOWN = "down"  #: matrix of `(rank, in)`
    UP = "up"  #: matrix of `(out, rank)`
    ALPHA = "alpha"  #: the pair is scaled by alpha / rank
    BIAS = "bias"  #: added to the layer's bias
    DIFF = "diff"  #: added to the layer's weight, not of low rank
    OTHER = "other"  #: of a method that is no plain LoRA, e.g. LoKr or DoRA


_IMAGE_BRANCH: Final = re.compile(
    "add_[kv]_proj|norm_added_k|image_embedder|[._][kv]_img|norm_k_img|img_emb"
)
"""Layers of Wan2.1 image-to-video only, in any spelling."""
_OF_PEFT: Final = re.compile(r"\.base_layer|\.lora_")
_PREFIX: Final = re.compile(
    r"(base_model\.model\.|pipe\.dit\.|dit\.|model\.|diffusion_model\.|transformer(_2)?\.|unet\."
    r"|lora_unet_+|lora_transformer_+|lycoris_+)*"
)
_KEY: Final = re.compile(
    r"(?P<layer>.+)\.(?P<part>lora_A|lora_down|lora\.down|lora_B|lora_up|lora\.up|alpha|diff|diff_b)"
    r"(\.\w+)??(\.(?P<tensor>weight|bias))?"
)
"""The part may be followed by the name of an adapter, e.g. `lora_A.default.weight`."""
_PARTS: Final = {
    "lora_A": Part.DOWN,
    "lora_down": Part.DOWN,
    "lora.down": Part.DOWN,
    "lora_B": Part.UP,
    "lora_up": Part.UP,
    "lora.up": Part.UP,
    "alpha": Part.ALPHA,
    "diff_b": Part.BIAS,
    "diff": Part.DIFF,
}
_AUTHORS: Final = (
    ("condition_embedder.time_embedder.linear_1", "time_embedding.0"),
    ("condition_embedder.time_embedder.linear_2", "time_embedding.2"),
    ("condition_embedder.text_embedder.linear_1", "text_embedding.0"),
    ("condition_embedder.text_embedder.linear_2", "text_embedding.2"),
    ("condition_embedder.time_proj", "time_projection.1"),
    ("condition_embedder.image_embedder.norm1", "img_emb.proj.0"),
    ("condition_embedder.image_embedder.ff.net.0.proj", "img_emb.proj.1"),
    ("condition_embedder.image_embedder.ff.net.2", "img_emb.proj.3"),
    ("condition_embedder.image_embedder.norm2", "img_emb.proj.4"),
    ("attn1", "self_attn"),
    ("attn2", "cross_attn"),
    ("to_q", "q"),
    ("to_k", "k"),
    ("to_v", "v"),
    ("to_out.0", "o"),
    ("add_k_proj", "k_img"),
    ("add_v_proj", "v_img"),
    ("norm_added_k", "norm_k_img"),
    ("ffn.net.0.proj", "ffn.0"),
    ("ffn.net.2", "ffn.2"),
    ("norm2", "norm3"),
    ("scale_shift_table", "modulation"),
    ("proj_out", "head.head"),
)
"""Names of diffusers and of the authors. (`norm3` of diffusers, the authors' `norm2`, has no
weights.)"""


def parse(key: str) -> tuple[str, Part]:
    """Split a key into its layer, as spelled there without a prefix, and the part it is."""
    bare = _PREFIX.sub("", key, count=1)
    found = _KEY.fullmatch(bare)
    if found is None:
        return bare, Part.OTHER
    part = _PARTS[found["part"]]
    return found["layer"], Part.BIAS if found["tensor"] == "bias" else part


def layers(model: Any) -> dict[str, str]:
    """Map every spelling of each layer of a denoiser to its name there, which diffusers gives."""
    return {spelled: name for name in _layer_names(model) for spelled in _spellings(name)}


def is_image_branch(layer: str) -> bool:
    """Whether a layer, in any spelling, is one that only Wan2.1 image-to-video has."""
    return _IMAGE_BRANCH.search(layer) is not None


def _layer_names(model: Any) -> Iterator[str]:
    """Layers with a weight of their own, without the names that peft adds, and modulations."""
    for name, layer in model.named_modules():
        own = layer._parameters.get("weight") is not None and not _OF_PEFT.search(name)
        if own or hasattr(layer, "base_layer"):
            yield name
        if "scale_shift_table" in layer._parameters:
            yield f"{name}.scale_shift_table".removeprefix(".")


def _spellings(name: str) -> Iterator[str]:
    theirs = "head.modulation" if name == "scale_shift_table" else name
    for ours, authors in _AUTHORS:
        theirs = re.sub(rf"(?<![^.]){re.escape(ours)}(?![^.])", authors, theirs)
    for spelled in (name, theirs):
        yield spelled
        yield spelled.replace(".", "_")
