"""The audio cross-attention, and the map that assigns tokens to persons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    Grid = tuple[int, int, int]
    """Latent frames, and rows and columns of tokens in each."""

_ROTARY_BASE: Final = 10000.0
_SCALING_EPSILON: Final = 1e-8


class AudioCrossAttention(nn.Module):
    """Attention from the tokens of each latent frame to the audio tokens of the same frame.

    With two people, queries and keys carry a one-dimensional rotary embedding of a label: person
    1 has labels from 0 to `class_interval`, person 2 the same below `class_range`, the background
    is halfway between, rounded down. So tokens of a person attend mostly to that person's voice.
    """

    def __init__(  # noqa: PLR0913 - the sizes of the authors' config, by name
        self,
        *,
        dim: int,
        encoder_hidden_states_dim: int,
        num_heads: int,
        qkv_bias: bool = True,
        qk_norm: bool = False,
        eps: float = 1e-6,
        class_range: int = 24,
        class_interval: int = 4,
    ) -> None:
        super().__init__()
        if dim % num_heads:
            raise ValueError(f"a width of {dim} cannot be divided among {num_heads} heads")
        if qk_norm:
            raise ValueError("no published weights have norms of audio queries and keys")
        self.num_heads = num_heads
        self.eps = eps
        self.class_range = class_range
        self.class_interval = class_interval
        self.q_linear = nn.Linear(dim, dim, bias=qkv_bias)
        self.kv_linear = nn.Linear(encoder_hidden_states_dim, 2 * dim, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim)

    def forward(
        self, x: Tensor, audio: Tensor, grid: Grid, reference_map: Tensor | None = None
    ) -> Tensor:
        """Return what the voices add to tokens `x`, `(B, frames * rows * columns, dim)`.

        `audio` is `(B, frames, tokens, encoder_hidden_states_dim)`; two people have half of the
        tokens each, and a `reference_map` of `reference_attention_map`, `(3, tokens of x)` or
        one for each of the batch.
        """
        query = self._heads(self.q_linear(x))
        key, value = (self._heads(one.flatten(1, 2)) for one in self._keys_and_values(audio))
        if reference_map is not None:
            maps = reference_map if reference_map.ndim == 3 else reference_map[None]
            query = rotary_1d(query, self._labels_of_tokens(maps))
            key = rotary_1d(key, self._labels_of_voices(audio))
        frames = grid[0]
        query, key, value = (_by_frame(one, frames) for one in (query, key, value))
        attended = functional.scaled_dot_product_attention(query, key, value)
        merged = attended.transpose(1, 2).reshape(x.shape)
        output: Tensor = self.proj(merged)
        return output

    def _keys_and_values(self, audio: Tensor) -> tuple[Tensor, ...]:
        projected: Tensor = self.kv_linear(audio)
        return projected.chunk(2, dim=-1)

    def _heads(self, x: Tensor) -> Tensor:
        """`(B, tokens, dim)` as `(B, heads, tokens, dim of a head)`."""
        return x.reshape(*x.shape[:2], self.num_heads, -1).transpose(1, 2)

    def _labels_of_tokens(self, maps: Tensor) -> Tensor:
        """The label of each token `(B, tokens)`: that of the region it attends to most."""
        first = _min_max(maps[:, 0]) * self.class_interval
        second = _min_max(maps[:, 1]) * self.class_interval + self.class_range - self.class_interval
        background = torch.full_like(first, self.class_range // 2)
        labels = torch.stack([first, second, background], dim=1)
        return labels.gather(1, maps.argmax(dim=1, keepdim=True))[:, 0]

    def _labels_of_voices(self, audio: Tensor) -> Tensor:
        """The label of each audio token of all frames: the middle of its person's interval."""
        frames, tokens = audio.shape[1:3]
        labels = torch.full((frames, tokens), self.class_interval / 2, device=audio.device)
        labels[:, tokens // 2 :] = self.class_range - self.class_interval / 2
        return labels.flatten()


def reference_attention_map(q: Tensor, k: Tensor, masks: Tensor, grid: Grid) -> Tensor:
    """How much each token attends to each region of the first latent frame, `(3, tokens)`.

    `q` and `k` are the rotated queries and keys `(B, tokens, heads, dim)`; of more than one sample
    the result is `(B, 3, tokens)`. `masks` is `(3, tokens of a frame)`: two people and the
    background. The value is the mean attention inside a mask, averaged over the heads.
    """
    maps = reference_attention_maps(q, k, masks, grid)
    return maps[0] if len(maps) == 1 else maps


def reference_attention_maps(q: Tensor, k: Tensor, masks: Tensor, grid: Grid) -> Tensor:
    """`reference_attention_map` of each sample of a batch, `(B, 3, tokens)`.

    The masks take the place of the values, so that no kernel needs to keep the whole attention: it
    would be 8 GB in float32 for 81 frames of 480p. They are padded to the width of a head, which
    the fast kernels require.
    """
    frame = grid[1] * grid[2]
    totals = masks.float().sum(dim=1, keepdim=True)
    weights = masks.float() / totals.where(totals > 0, 1.0)
    values = functional.pad(weights.T, (0, max(0, q.shape[-1] - len(masks))))
    attended = functional.scaled_dot_product_attention(
        q.transpose(1, 2).float(),
        k[:, :frame].transpose(1, 2).float(),
        values.expand(*q.shape[:1], q.shape[2], -1, -1),
    )
    return attended.mean(dim=1)[..., : len(masks)].transpose(1, 2)


def rotary_1d(x: Tensor, positions: Tensor) -> Tensor:
    """Rotate interleaved pairs of `x`, `(B, heads, tokens, dim)`, by angles of `positions`.

    `positions` is `(tokens,)`, or `(B, tokens)` where samples differ.
    """
    pairs = torch.arange(0, x.shape[-1], 2, device=x.device, dtype=torch.float32)
    speeds = _ROTARY_BASE ** (-pairs / x.shape[-1])
    labels = torch.as_tensor(positions, device=x.device, dtype=torch.float32)
    angles = labels[..., None] * speeds
    if labels.ndim == 2:
        angles = angles[:, None]
    return rotate_pairs(x, angles.cos(), angles.sin())


def rotate_pairs(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate pairs of neighbors in the last dimension; `cos` and `sin` have one value a pair."""
    even, odd = x.reshape(*x.shape[:-1], -1, 2).unbind(-1)
    rotated = torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1)
    return rotated.flatten(-2).type_as(x)


def _min_max(values: Tensor) -> Tensor:
    """Scale the values of each sample `(B, tokens)` to 0..1."""
    low, high = values.amin(dim=1, keepdim=True), values.amax(dim=1, keepdim=True)
    return (values - low) / (high - low + _SCALING_EPSILON)


def _by_frame(x: Tensor, frames: int) -> Tensor:
    """`(B, heads, frames * n, dim)` as `(B, frames, heads, n, dim)`, merged with the batch."""
    samples, heads, _, dim = x.shape
    return x.reshape(samples, heads, frames, -1, dim).transpose(1, 2).flatten(0, 1)
