"""The UNet of LatentSync: diffusers' `UNetMotionModel` with the group norms of the authors.

The published network takes the statistics of its residual blocks over all frames of a clip, and
those at the entry of its temporal layers per frame. diffusers does both the other way round: with
its norms the published weights run without an error and give wrong results.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import torch
from diffusers import UNetMotionModel
from torch import Tensor, nn

from models.errors import WeightsInvalid

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

PUBLISHED: Final[Mapping[str, Any]] = {
    "sample_size": 64,
    "in_channels": 13,
    "out_channels": 4,
    "block_out_channels": (320, 640, 1280, 1280),
    "layers_per_block": 2,
    "cross_attention_dim": 384,
    "num_attention_heads": 8,
    "motion_num_attention_heads": 8,
    "motion_max_seq_length": 24,
    "use_motion_mid_block": False,
    "norm_num_groups": 32,
    "norm_eps": 1e-5,
}
"""The configuration of both versions, in the words of `UNetMotionModel`."""

_NOTES: Final = frozenset({"others"})
"""Keys of a configuration that are remarks for readers."""
_RENAMED: Final = (
    ("attention_blocks.0.pos_encoder.pe", "pos_embed.pe"),
    ("attention_blocks.0.", "attn1."),
    ("attention_blocks.1.", "attn2."),
    ("norms.0.", "norm1."),
    ("norms.1.", "norm2."),
    ("ff_norm.", "norm3."),
)
"""Names inside a temporal block: published, and in diffusers."""
_TEMPORAL_BLOCK: Final = re.compile(r"(.*\.motion_modules\.\d+\.transformer_blocks\.\d+\.)(.*)")
_DROPPED: Final = "attention_blocks.1.pos_encoder.pe"
"""A second copy of the positions, which diffusers does not have."""
_SHOWN: Final = 4


class ClipNorm(nn.GroupNorm):
    """Group norm of images `(batch * frames, c, h, w)` with the statistics of a whole clip."""

    frames = 1
    """Frames of a clip; set before each call of the network."""

    def forward(self, images: Tensor) -> Tensor:
        """Normalize; each item of the batch alone."""
        clips = images.reshape(-1, self.frames, *images.shape[1:]).transpose(1, 2)
        normalized: Tensor = super().forward(clips)
        return normalized.transpose(1, 2).flatten(0, 1)


class FrameNorm(nn.GroupNorm):
    """Group norm of clips `(batch, c, frames, h, w)` with the statistics of each frame alone."""

    def forward(self, clips: Tensor) -> Tensor:
        """Normalize."""
        frames = clips.transpose(1, 2)
        normalized: Tensor = super().forward(frames.flatten(0, 1))
        return normalized.reshape(frames.shape).transpose(1, 2)


class LatentSyncUNet(nn.Module):
    """Predicts the noise in the latents of a chunk of faces, given the sound of each frame."""

    streamed_to: torch.device | None = None
    """The GPU to which layers are brought one by one; None: the weights stay where they are."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network: Any = network
        self._clip_norms = list(_replace_norms(network))

    @property
    def dtype(self) -> torch.dtype:
        """The number format of the weights."""
        dtype: torch.dtype = self.network.conv_in.weight.dtype
        return dtype

    @property
    def device(self) -> torch.device:
        """Where the network runs."""
        device: torch.device = self.network.conv_in.weight.device
        return self.streamed_to or device

    def forward(self, *, sample: Tensor, timestep: int | Tensor, audio: Tensor) -> Tensor:
        """The predicted noise `(b, 4, f, h, w)`.

        `sample` is `(b, 13, f, h, w)`: noisy latents, mask, latents of the masked and of the whole
        face. `audio` is `(b * f, tokens, width)`, the frames of one clip after those of another.
        """
        self._set_frames(sample.shape[2])
        inputs = sample.to(self.dtype), timestep, audio.to(self.dtype)
        output: Tensor = self.network(*inputs, return_dict=False)[0]
        return output

    def forward_keeping(
        self, *, sample: Tensor, timestep: int | Tensor, audio: Tensor
    ) -> tuple[Tensor, Tensor]:
        """As `forward`, with the features that `forward_last_layer` reuses."""
        kept: list[Tensor] = []
        before_last: nn.Module = self.network.up_blocks[-1].motion_modules[-2]
        handle = before_last.register_forward_hook(lambda _, __, output: kept.append(output))
        try:
            output = self(sample=sample, timestep=timestep, audio=audio)
        finally:
            handle.remove()
        return output, kept[0]

    def forward_last_layer(
        self, deep: Tensor, *, sample: Tensor, timestep: int | Tensor, audio: Tensor
    ) -> Tensor:
        """The predicted noise from the features of an earlier step and the last layer of this one.

        The rule of DeepCache with its first branch: a small part of the work of `forward`.
        """
        network, frames = self.network, sample.shape[2]
        self._set_frames(frames)
        first = network.conv_in(sample.transpose(1, 2).flatten(0, 1))
        time = self._time_embedding(timestep, len(sample)).repeat_interleave(frames, dim=0)
        last = network.up_blocks[-1]
        hidden = last.resnets[-1](torch.cat((deep, first), dim=1), time)
        hidden = last.attentions[-1](hidden, encoder_hidden_states=audio, return_dict=False)[0]
        hidden = last.motion_modules[-1](hidden, num_frames=frames)
        output: Tensor = network.conv_out(network.conv_act(network.conv_norm_out(hidden)))
        return output.reshape(len(sample), frames, *output.shape[1:]).transpose(1, 2)

    def _time_embedding(self, timestep: int | Tensor, batch: int) -> Tensor:
        steps = torch.as_tensor(timestep, device=self.device).expand(batch)
        embedding: Tensor = self.network.time_embedding(
            self.network.time_proj(steps).to(self.dtype)
        )
        return embedding

    def _set_frames(self, frames: int) -> None:
        for norm in self._clip_norms:
            norm.frames = frames


def build(config: Mapping[str, Any]) -> LatentSyncUNet:
    """A network with random weights. Keys that `config` lacks have the published values.

    Raises `ValueError` for an unknown key.
    """
    given = {name: value for name, value in config.items() if name not in _NOTES}
    if unknown := sorted(given.keys() - PUBLISHED.keys()):
        raise ValueError(f"unknown keys of the configuration: {', '.join(unknown)}")
    cls: Any = UNetMotionModel
    return LatentSyncUNet(cls(**{**PUBLISHED, **given})).train(False)


def from_original(config: Mapping[str, Any], state_dict: Mapping[str, Tensor]) -> LatentSyncUNet:
    """A network with weights by their published names; it takes the tensors without a copy.

    Raises `WeightsInvalid` if names or shapes are not exactly those of the network.
    """
    with torch.device("meta"):
        unet = build(config)
    state = {_library_name(name): tensor for name, tensor in state_dict.items()}
    state.pop("", None)
    _check(state, unet.network.state_dict())
    unet.network.load_state_dict(state, strict=True, assign=True)
    return unet.eval().requires_grad_(False)


def _replace_norms(network: nn.Module) -> Iterator[ClipNorm]:
    """Replace the norms that differ from the authors'; yield those over the frames of a clip."""
    for name, norm in list(network.named_modules()):
        if not isinstance(norm, nn.GroupNorm) or ".attentions." in name:
            continue
        cls = FrameNorm if ".motion_modules." in name else ClipNorm
        new = cls(norm.num_groups, norm.num_channels, norm.eps, device="meta")
        new.weight, new.bias = norm.weight, norm.bias
        network.set_submodule(name, new)
        if isinstance(new, ClipNorm):
            yield new


def _library_name(name: str) -> str:
    """The name of a published tensor in diffusers; empty if diffusers does not have it."""
    found = name.replace(".temporal_transformer", "")
    match = _TEMPORAL_BLOCK.fullmatch(found)
    if match is None:
        return found
    block, rest = match.groups()
    if rest == _DROPPED:
        return ""
    for published, own in _RENAMED:
        if rest.startswith(published):
            return f"{block}{own}{rest.removeprefix(published)}"
    return found


def _check(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    both = wanted.keys() & state.keys()
    if not any(".motion_modules." in name for name in state):
        raise WeightsInvalid(
            "the checkpoint has no temporal layers: it is LatentSync 1.0 or another model. Use the "
            "weights of version 1.5 or 1.6"
        )
    problems = [
        *_problem("missing", wanted.keys() - state.keys()),
        *_problem("unknown", state.keys() - wanted.keys()),
        *_problem("of another shape", (n for n in both if wanted[n].shape != state[n].shape)),
    ]
    if problems:
        raise WeightsInvalid(f"the checkpoint does not fit this network: {'; '.join(problems)}")


def _problem(word: str, names: Iterable[str]) -> Iterator[str]:
    found = sorted(names)
    if found:
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        yield f"{word}: {', '.join(found[:_SHOWN])}{more}"
