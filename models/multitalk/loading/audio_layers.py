"""Loads the audio layers from their own file onto a Wan transformer.

Names and shapes are compared before anything is read; what is missing or unknown is refused by
name. The tensors are read one at a time and cast to the type of the transformer, so there is never
a second copy of the 2.5 billion parameters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from safetensors import safe_open

from models.errors import WeightsInvalid
from models.multitalk.denoiser import add_audio_layers, assign_audio, is_audio
from models.wan.loading import layout, tensors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import torch

    from models.multitalk.denoiser import TalkingDenoiser
    from models.wan.loading.tensors import Shape


def load(
    folder: Path, transformer: Any, speech_config: Any, *, norm_float32: bool
) -> TalkingDenoiser:
    """Add the audio layers in `folder` to a loaded transformer; returns both as one denoiser.

    `speech_config` is that of the speech encoder: its layers and width are the projection's input.
    Raises `WeightsInvalid`.
    """
    path = layout.single_file(folder, ".safetensors")
    if path is None:
        raise layout.missing(folder)
    found = tensors.safetensors_shapes(path)
    model = add_audio_layers(
        transformer,
        blocks=speech_config.num_hidden_layers,
        channels=speech_config.hidden_size,
        norm_float32=norm_float32,
        **_projection_sizes(found, path),
    )
    tensors.compare(found, model.audio_shapes, path)
    with tensors.read_errors(path):
        assign_audio(model, dict(_cast(path, model.dtype)))
    return model.eval().requires_grad_(False)


def _projection_sizes(found: dict[str, Shape], path: Path) -> dict[str, Any]:
    """The sizes of the audio projection, which only its file states."""
    try:
        hidden, output = found["audio_proj.proj1.bias"][0], found["audio_proj.norm.weight"][0]
        tokens = found["audio_proj.proj3.bias"][0] // output
    except (LookupError, ZeroDivisionError) as error:
        listed = ", ".join(sorted(name for name in found if not is_audio(name))[:4])
        raise WeightsInvalid(
            f"{path} has no audio projection (audio_proj.proj1, audio_proj.proj3, "
            f"audio_proj.norm): it is not a file of audio layers. It has {listed or 'other layers'}"
        ) from error
    return {"intermediate_dim": hidden, "output_dim": output, "context_tokens": tokens}


def _cast(path: Path, dtype: torch.dtype) -> Iterator[tuple[str, torch.Tensor]]:
    """Each tensor as `dtype`; the norms before the attention stay float32, as Wan's own do."""
    with safe_open(path, framework="pt") as file:
        for name in file.keys():  # noqa: SIM118 - no dict
            tensor = file.get_tensor(name)
            yield name, tensor.float() if ".norm_x." in name else tensor.to(dtype)
