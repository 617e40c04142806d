"""Batched calls that adapt to the available GPU memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import structlog
import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

R = TypeVar("R")

log = structlog.get_logger()


class OomSafeBatches:
    """Calls a function with full batches; after out-of-memory the batch size is halved for good.

    Not yet run on a GPU.
    """

    def __init__(self, batch_size: int) -> None:
        self.batch_size = batch_size
        """The largest batch of a call."""

    def __call__(self, run: Callable[..., list[R]], *lists: Sequence[Any]) -> list[R]:
        """The results of `run` for lists of the same length, in order, batch by batch.

        Raises `torch.OutOfMemoryError` if the memory does not suffice for a batch of one.
        """
        results: list[R] = []
        while len(results) < len(lists[0]):
            batch = slice(len(results), len(results) + self.batch_size)
            parts = [items[batch] for items in lists]
            try:
                results += run(*parts)
            except torch.OutOfMemoryError:
                if len(parts[0]) == 1:
                    raise
                self.batch_size = len(parts[0]) // 2
                log.warning("out of memory, smaller batches", batch=self.batch_size)
        return results
