"""A block of Wan's denoiser with a voice: audio cross-attention between attention and feed-forward.

The blocks of a loaded model are wrapped, not built again: their layers stay the same objects,
whether they are bfloat16, quantized or carry a LoRA.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from diffusers.models.attention_dispatch import dispatch_attention_fn
from diffusers.models.transformers.transformer_wan import WanAttnProcessor, WanTransformerBlock
from torch import Tensor, nn

from models.multitalk.attention import reference_attention_maps, rotate_pairs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from models.multitalk.attention import AudioCrossAttention, Grid

_dispatch: Any = dispatch_attention_fn
_PROCESSOR: Any = WanAttnProcessor


@dataclass(eq=False)
class AudioContext:
    """The audio that the blocks of one denoiser attend to. The library's loop cannot pass it."""

    tokens: Tensor | None = None
    """`(B, latent frames, audio tokens, width)`; None: the block is Wan's own."""
    grid: Grid = (0, 0, 0)
    masks: Tensor | None = None
    """`(3, rows * columns)` of two people and the background; None: one person."""
    reference_map: Tensor | None = None
    """Of the block that runs: set by its self-attention, read by its audio attention."""


class SelfAttentionProcessor(_PROCESSOR):  # type: ignore[misc] # diffusers is untyped
    """Wan's self-attention, which also keeps the map of regions that two people need."""

    def __init__(self, context: AudioContext) -> None:
        super().__init__()
        self.context = context

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        rotary_emb: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """Attend; the arguments are those of the library, which passes only two of them."""
        query, key = attn.norm_q(attn.to_q(hidden_states)), attn.norm_k(attn.to_k(hidden_states))
        query, key, value = (
            one.unflatten(2, (attn.heads, -1)) for one in (query, key, attn.to_v(hidden_states))
        )
        if rotary_emb is not None:
            cos, sin = rotary_emb[0][..., 0::2], rotary_emb[1][..., 1::2]
            query, key = rotate_pairs(query, cos, sin), rotate_pairs(key, cos, sin)
        if self.context.masks is not None:
            self.context.reference_map = reference_attention_maps(
                query, key, self.context.masks, self.context.grid
            )
        attended = _dispatch(query, key, value, backend=self._attention_backend)
        output: Tensor = attn.to_out[0](attended.flatten(2, 3).type_as(query))
        return output


class TalkingBlock(WanTransformerBlock):
    """Wan's block around the layers of an existing one, with an audio cross-attention."""

    _LAYERS = ("norm1", "attn1", "attn2", "norm2", "ffn", "norm3", "scale_shift_table")

    def __init__(
        self, block: Any, attention: AudioCrossAttention, norm: nn.Module, context: AudioContext
    ) -> None:
        nn.Module.__init__(self)
        for name in self._LAYERS:
            setattr(self, name, getattr(block, name))
        self.audio_cross_attn = attention
        self.norm_x = norm
        self.context = context
        self.attn1.set_processor(SelfAttentionProcessor(context))

    def forward(
        self,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        temb: Tensor,
        rotary_emb: Any,
    ) -> Tensor:
        """Return the hidden states `(B, tokens, dim)` of the next block."""
        shift, scale, gate, *feed_forward = (self.scale_shift_table + temb.float()).chunk(6, dim=1)
        x = hidden_states
        normalized = _modulated(self.norm1(x.float()), scale, shift).type_as(x)
        x = (x.float() + self.attn1(normalized, None, None, rotary_emb) * gate).type_as(x)
        normalized = self.norm2(x.float()).type_as(x)
        x = x + self.attn2(normalized, encoder_hidden_states, None, None)
        x = x + self._heard(x)
        shift, scale, gate = feed_forward
        normalized = _modulated(self.norm3(x.float()), scale, shift).type_as(x)
        output: Tensor = (x.float() + self.ffn(normalized).float() * gate).type_as(x)
        return output

    def _heard(self, x: Tensor) -> Tensor | float:
        context = self.context
        if context.tokens is None:
            return 0.0
        normalized = self.norm_x(x.float()).type_as(x)
        output: Tensor = self.audio_cross_attn(
            normalized, context.tokens, context.grid, context.reference_map
        )
        return output


class Float32LayerNorm(nn.LayerNorm):
    """A layer normalization that computes in float32 whatever type its weights have."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalized values in the type of `x`."""
        weight, bias = self.weight.float(), self.bias.float()
        normalized = torch.nn.functional.layer_norm(
            x.float(), self.normalized_shape, weight, bias, self.eps
        )
        return normalized.type_as(x)


def wrap(blocks: Iterable[Any], layers: Iterable[tuple[Any, Any]], context: AudioContext) -> Any:
    """Wrap each block with its audio attention and norm."""
    return nn.ModuleList(
        TalkingBlock(block, attention, norm, context)
        for block, (attention, norm) in zip(blocks, layers, strict=True)
    )


def _modulated(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    return x * (1 + scale) + shift
