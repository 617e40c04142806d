"""The noise levels of a run. Each step is plain Euler: `x - v * (t - next t) / 1000`."""

from __future__ import annotations

from typing import Final

import torch

TRAINING_STEPS: Final = 1000
"""Time of pure noise."""


def timesteps(steps: int, shift: float) -> torch.Tensor:
    """The times of `steps` steps from 1000 down, and 0 after the last one, in float32.

    They are evenly spaced from 1000 to 1, then shifted: a `shift` above 1 spends more of the steps
    at high noise.
    """
    even = torch.linspace(TRAINING_STEPS, 1, steps, dtype=torch.float32)
    times = torch.cat([even, torch.zeros(1)])
    return shift * times / (1 + (shift - 1) * (times / TRAINING_STEPS))
