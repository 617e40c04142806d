"""The list of noise levels of a job, and how one step leads to the next.

Both ways are UniPC: the model's own of second order, and for a distilled LoRA Euler, which is
UniPC of first order without its corrector. The library's own Euler scheduler shifts the levels
twice when it makes the list itself: 4 steps at shift 5 end at 0.024 instead of 0.626.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from diffusers import UniPCMultistepScheduler

if TYPE_CHECKING:
    from diffusers import WanImageToVideoPipeline

    from models.wan.variants import Quality

_STOCK: Any = UniPCMultistepScheduler

HIGH, LOW = 0, 1
"""The expert of high noise, which is the only one of a model without a second; and of low."""


class Sampling(Protocol):
    """What a job says of its noise levels."""

    @property
    def quality(self) -> Quality:
        """`fast` with a distilled LoRA, or `best`."""
        ...

    @property
    def steps(self) -> int:
        """Denoising steps."""
        ...

    @property
    def shift(self) -> float:
        """The flow shift: above 1, more of the steps are spent at high noise."""
        ...


def scheduler_for(pipe: WanImageToVideoPipeline, sampling: Sampling) -> UniPCMultistepScheduler:
    """A scheduler of its own for one job: `pipe.scheduler = scheduler_for(pipe, resolved)`."""
    published: Any = pipe
    fast = sampling.quality == "fast"
    made: UniPCMultistepScheduler = _STOCK.from_config(
        published.scheduler.config,
        prediction_type="flow_prediction",
        use_flow_sigmas=True,
        flow_shift=sampling.shift,
        solver_order=1 if fast else 2,
        disable_corrector=list(range(sampling.steps)) if fast else [],
    )
    return made


def expert_steps(
    scheduler: UniPCMultistepScheduler, steps: int, boundary: float | None
) -> list[int]:
    """Which expert runs each step, `HIGH` or `LOW`; the shift decides where they change.

    `boundary` is the pipeline's `boundary_ratio`; None: one expert runs all.
    """
    if boundary is None:
        return [HIGH] * steps
    stock: Any = scheduler
    twin = _STOCK.from_config(stock.config)
    twin.set_timesteps(steps)
    border = boundary * stock.config.num_train_timesteps
    return [HIGH if time >= border else LOW for time in twin.timesteps]
