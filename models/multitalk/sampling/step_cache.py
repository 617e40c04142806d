"""TeaCache: steps whose time modulation hardly changes take over what the blocks added before.

The change of the modulation from step to step, through a polynomial that was fitted to the change
of the network's output, is summed up; the blocks are computed again when the sum reaches the
threshold. As the modulation depends on the times alone, this is known before the first step.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import reduce
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

ALWAYS_COMPUTED: Final = 5
"""First steps, which set the motion: they are never taken over."""


@torch.no_grad()
def modulations(transformer: Any, times: Tensor) -> Tensor:
    """The modulation that the blocks get at each time, `(times, 6 * width)`, in float32."""
    embedder = transformer.condition_embedder
    weight = next(embedder.time_embedder.parameters())
    time = embedder.timesteps_proj(times.to(weight.device)).to(weight.dtype)
    embedded = embedder.time_embedder(time).to(transformer.dtype)
    return embedder.time_proj(embedder.act_fn(embedded)).float().cpu()  # type: ignore[no-any-return]


def computed_steps(
    modulation: Tensor, polynomial: Sequence[float], threshold: float
) -> tuple[bool, ...]:
    """Whether each step is computed. `polynomial` starts with the highest power."""
    computed, change = [True], 0.0
    for step, (before, now) in enumerate(pairwise(modulation), start=1):
        relative = ((now - before).abs().mean() / before.abs().mean()).item()
        change += reduce(lambda value, factor: value * relative + factor, polynomial, 0.0)
        computed.append(step < ALWAYS_COMPUTED or change >= threshold)
        if computed[-1]:
            change = 0.0
    return tuple(computed)


class StepCache:
    """What the blocks of one denoiser added in each evaluation of the last step computed."""

    def __init__(self) -> None:
        self._added: dict[int, Tensor] = {}

    @contextmanager
    def used(self, transformer: Any, evaluation: int, *, computed: bool) -> Iterator[None]:
        """Keep what the blocks add in one call, or add what they added before.

        Blocks that are not computed are not called either: none streams to the GPU in vain.
        """
        blocks = transformer.blocks
        transformer.blocks = nn.ModuleList([_StandIn(blocks, self._added, evaluation, computed)])
        try:
            yield
        finally:
            transformer.blocks = blocks


class _StandIn(nn.Module):
    """Takes the place of all blocks during one call."""

    def __init__(
        self, blocks: Iterable[Any], added: dict[int, Tensor], evaluation: int, computed: bool
    ) -> None:
        super().__init__()
        self._blocks, self._added = tuple(blocks), added
        self._evaluation, self._computed = evaluation, computed

    def forward(self, hidden: Tensor, *others: Any) -> Tensor:
        """Return the hidden states after the last block."""
        if not self._computed:
            return hidden + self._added[self._evaluation]
        output = hidden
        for block in self._blocks:
            output = block(output, *others)
        self._added[self._evaluation] = output - hidden
        return output
