"""The scheduler of a job: its noise levels, and the solver of each step.

Both qualities use UniPC: `best` the model's own second-order solver, `fast` Euler, which is UniPC
of first order without its corrector. The library's own Euler scheduler would shift the noise
levels twice when it computes them itself: 4 steps at shift 5 end at 0.024 instead of 0.626.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from diffusers import UniPCMultistepScheduler

if TYPE_CHECKING:
    from diffusers import WanImageToVideoPipeline

    from models.wan.variants import Quality

_SCHEDULER: Any = UniPCMultistepScheduler

HIGH_NOISE, LOW_NOISE = 0, 1
"""Index of the expert; a model with one expert has only `HIGH_NOISE`."""


class SamplingParameters(Protocol):
    """The parameters of a job that set its noise levels."""

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


def create_scheduler(
    pipe: WanImageToVideoPipeline, sampling: SamplingParameters
) -> UniPCMultistepScheduler:
    """Create the scheduler of one job from the published one; assign it to `pipe.scheduler`."""
    published: Any = pipe
    fast = sampling.quality == "fast"
    scheduler: UniPCMultistepScheduler = _SCHEDULER.from_config(
        published.scheduler.config,
        prediction_type="flow_prediction",
        use_flow_sigmas=True,
        flow_shift=sampling.shift,
        solver_order=1 if fast else 2,
        disable_corrector=list(range(sampling.steps)) if fast else [],
    )
    return scheduler


def expert_steps(
    scheduler: UniPCMultistepScheduler, steps: int, boundary: float | None
) -> list[int]:
    """The expert that runs each step, `HIGH_NOISE` or `LOW_NOISE`.

    The shift decides after how many steps they change. `boundary` is the pipeline's
    `boundary_ratio`; None: one expert runs all steps.
    """
    if boundary is None:
        return [HIGH_NOISE] * steps
    original: Any = scheduler
    copy = _SCHEDULER.from_config(original.config)
    copy.set_timesteps(steps)
    threshold = boundary * original.config.num_train_timesteps
    return [HIGH_NOISE if time >= threshold else LOW_NOISE for time in copy.timesteps]
