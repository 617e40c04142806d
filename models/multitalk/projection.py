"""The audio projection: features of a few video frames become context tokens of a latent frame."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

_FEATURES = 768
"""Width of the speech encoder's features, and of one context token."""


class AudioProjection(nn.Module):
    """Projects windows of speech features to `context_tokens` tokens for each latent frame.

    The first latent frame is one video frame with `seq_len` feature frames around it; each later
    one stands for four video frames with `seq_len_vf` feature frames. A feature frame has `blocks`
    layers of `channels` values. With `norm_float32` the normalization at the end is computed in
    float32 whatever type the weights have.
    """

    def __init__(  # noqa: PLR0913 - the sizes of the authors' config, by name
        self,
        *,
        seq_len: int = 5,
        seq_len_vf: int = 8,
        blocks: int = 12,
        channels: int = _FEATURES,
        intermediate_dim: int = 512,
        output_dim: int = _FEATURES,
        context_tokens: int = 32,
        norm_output_audio: bool = True,
        norm_float32: bool = False,
    ) -> None:
        super().__init__()
        self.context_tokens = context_tokens
        self.output_dim = output_dim
        self.norm_float32 = norm_float32
        self.proj1 = nn.Linear(seq_len * blocks * channels, intermediate_dim)
        self.proj1_vf = nn.Linear(seq_len_vf * blocks * channels, intermediate_dim)
        self.proj2 = nn.Linear(intermediate_dim, intermediate_dim)
        self.proj3 = nn.Linear(intermediate_dim, context_tokens * output_dim)
        self.norm = nn.LayerNorm(output_dim) if norm_output_audio else nn.Identity()

    def forward(self, first: Tensor, latter: Tensor) -> Tensor:
        """Return tokens `(people, latent frames, context_tokens, output_dim)`.

        `first` is `(people, 1, seq_len, blocks, channels)`, `latter` has `seq_len_vf` feature
        frames for each further latent frame.
        """
        opening = functional.relu(self.proj1(first.flatten(2)))
        following = functional.relu(self.proj1_vf(latter.flatten(2)))
        hidden = functional.relu(self.proj2(torch.cat([opening, following], dim=1)))
        shape = *hidden.shape[:2], self.context_tokens, self.output_dim
        tokens = self.proj3(hidden).view(shape)
        return self._normalized(tokens)

    def _normalized(self, tokens: Tensor) -> Tensor:
        if not self.norm_float32 or not isinstance(self.norm, nn.LayerNorm):
            normalized: Tensor = self.norm(tokens)
            return normalized
        norm = self.norm
        return functional.layer_norm(
            tokens.float(), norm.normalized_shape, norm.weight.float(), norm.bias.float(), norm.eps
        ).type_as(tokens)
