"""As much at a time as the memory allows."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import structlog
import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

A = TypeVar("A")
B = TypeVar("B")
R = TypeVar("R")

log = structlog.get_logger()


class Halving:
    """Calls with whole batches, and with half as much for good once memory runs out.

    Not yet run on a GPU.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        """The largest batch of a call."""

    def __call__(
        self,
        run: Callable[[Sequence[A], Sequence[B]], list[R]],
        first: Sequence[A],
        second: Sequence[B],
    ) -> list[R]:
        """What `run` makes of two lists of the same length, in order, however many calls it takes.

        Raises `torch.OutOfMemoryError` where the memory does not do for one.
        """
        made: list[R] = []
        while len(made) < len(first):
            part = slice(len(made), len(made) + self.most)
            try:
                made += run(first[part], second[part])
            except torch.OutOfMemoryError:
                if len(first[part]) == 1:
                    raise
                self.most = len(first[part]) // 2
                log.warning("out of memory, smaller batches", batch=self.most)
        return made
