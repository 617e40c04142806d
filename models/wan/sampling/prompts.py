"""Encodes prompts for the denoiser, with a cache: the same text is encoded only once."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

import torch
from diffusers.pipelines.wan.pipeline_wan_i2v import prompt_clean

from models.errors import InputRejected
from models.output_checks import check_finite, check_varied

if TYPE_CHECKING:
    from diffusers import WanImageToVideoPipeline
    from torch import Tensor

_CLEAN: Any = prompt_clean

TOKENS: Final = 512
"""Must not change: the attention of Wan2.1 always takes the last 512 tokens as text; with fewer it
would silently read image tokens as words."""
CACHE_BYTES: Final = 256_000_000
"""Sixty embeddings of UMT5-XXL, 4 MB each."""


class PromptEncoder:
    """Encodes prompts with a pipeline's text encoder, on whatever device that is.

    Embeddings are cached in main memory; above `cache_bytes` the least recently used are evicted.
    """

    def __init__(self, pipe: WanImageToVideoPipeline, cache_bytes: int = CACHE_BYTES) -> None:
        self._pipe: Any = pipe
        self._cache_bytes = cache_bytes
        self._cache: OrderedDict[str, Tensor] = OrderedDict()

    def check_length(self, text: str, field: str) -> None:
        """Raise `prompt_too_long` for a text that would be silently truncated."""
        tokens = len(self._pipe.tokenizer(_CLEAN(text)).input_ids)
        if tokens > TOKENS:
            raise InputRejected(
                "prompt_too_long",
                f"It has {tokens} tokens, but the model reads {TOKENS}: shorten it.",
                field=field,
            )

    def encode(self, text: str) -> Tensor:
        """Return the embeddings `(1, 512, width)`, zero after the last token."""
        cached = self._cache.pop(text, None)
        embeds = cached if cached is not None else self._compute(text)
        self._cache[text] = embeds
        self._evict()
        return embeds

    @torch.no_grad()
    def _compute(self, text: str) -> Tensor:
        embeds: Tensor
        embeds, _ = self._pipe.encode_prompt(
            text, do_classifier_free_guidance=False, max_sequence_length=TOKENS
        )
        check_finite(embeds, "the text encoder")
        check_varied(embeds, "the text encoder")
        return embeds.to("cpu")

    def _evict(self) -> None:
        cache = self._cache
        while len(cache) > 1 and sum(one.nbytes for one in cache.values()) > self._cache_bytes:
            cache.popitem(last=False)
