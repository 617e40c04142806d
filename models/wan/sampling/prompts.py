"""Prompts as the denoiser reads them, encoded once: the same words cost nothing a second time."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

import torch
from diffusers.pipelines.wan.pipeline_wan_i2v import prompt_clean

from models.errors import InputRejected

if TYPE_CHECKING:
    from diffusers import WanImageToVideoPipeline
    from torch import Tensor

_CLEAN: Any = prompt_clean

TOKENS: Final = 512
"""Never another number: the attention of Wan2.1 takes the last 512 tokens as text whatever comes,
and with fewer the picture's own are quietly read as words."""
LIMIT_BYTES: Final = 256_000_000
"""Sixty of UMT5-XXL's: 4 MB each."""


class Prompts:
    """Encodes prompts with a pipeline's text encoder, wherever it lies, and keeps the results.

    They are kept in main memory, the ones unused for longest dropped above `limit_bytes`.
    """

    def __init__(self, pipe: WanImageToVideoPipeline, limit_bytes: int = LIMIT_BYTES) -> None:
        self._pipe: Any = pipe
        self._limit = limit_bytes
        self._kept: OrderedDict[str, Tensor] = OrderedDict()

    def check(self, text: str, field: str) -> None:
        """Raise `prompt_too_long` for a text that would be cut off in silence."""
        tokens = len(self._pipe.tokenizer(_CLEAN(text)).input_ids)
        if tokens > TOKENS:
            raise InputRejected(
                "prompt_too_long",
                f"It is {tokens} tokens long, of which the model reads {TOKENS}: shorten it.",
                field=field,
            )

    def encoded(self, text: str) -> Tensor:
        """Its embeddings `(1, 512, width)`, zeros behind the last token."""
        known = self._kept.pop(text, None)
        made = known if known is not None else self._encode(text)
        self._kept[text] = made
        self._shed()
        return made

    @torch.no_grad()
    def _encode(self, text: str) -> Tensor:
        embeds: Tensor
        embeds, _ = self._pipe.encode_prompt(
            text, do_classifier_free_guidance=False, max_sequence_length=TOKENS
        )
        return embeds.to("cpu")

    def _shed(self) -> None:
        while len(self._kept) > 1 and sum(one.nbytes for one in self._kept.values()) > self._limit:
            self._kept.popitem(last=False)
