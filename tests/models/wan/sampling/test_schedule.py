from dataclasses import dataclass
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, UniPCMultistepScheduler
from PIL import Image

from models.wan.loading.pipeline import load
from models.wan.sampling.schedule import HIGH_NOISE, LOW_NOISE, create_scheduler, expert_steps
from models.wan.variants import WAN2_2_I2V
from tests.models.wan.tiny import tiny_weights


@dataclass
class SamplingParameters:
    quality: str
    steps: int
    shift: float


PUBLISHED = UniPCMultistepScheduler(
    prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
)


def scheduler_of(quality, steps, shift, published=PUBLISHED):
    pipe = SimpleNamespace(scheduler=published)
    scheduler = create_scheduler(pipe, SamplingParameters(quality, steps, shift))
    scheduler.set_timesteps(steps)
    return scheduler


def drift(sample, level):
    """A nonlinear velocity, for which solvers of different orders give different results."""
    return torch.sin(3 * sample) + level * sample


def sampled(scheduler, start):
    sample = start
    for time, level in zip(scheduler.timesteps, scheduler.sigmas[:-1], strict=True):
        sample = scheduler.step(drift(sample, level), time, sample, return_dict=False)[0]
    return sample


def euler(levels, start):
    sample = start
    for level, following in pairwise(levels):
        sample = sample + (following - level) * drift(sample, level)
    return sample


@pytest.fixture
def start():
    return torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(5))


def ideal(steps, shift):
    """Noise levels of a distilled LoRA: s*x / (1 + (s - 1)*x), with x descending from 1."""
    even = np.arange(steps, 0, -1) / steps
    return shift * even / (1 + (shift - 1) * even)


@pytest.mark.parametrize("shift", [3.0, 5.0, 8.0])
@pytest.mark.parametrize("steps", [1, 4, 8])
def test_fast_equals_euler(start, steps, shift):
    scheduler = scheduler_of("fast", steps, shift)

    end = sampled(scheduler, start)

    assert torch.allclose(end, euler(scheduler.sigmas, start), atol=2e-6)


def test_best_is_of_second_order_and_differs_from_euler(start):
    scheduler = scheduler_of("best", 6, 5.0)

    end = sampled(scheduler, start)

    published = UniPCMultistepScheduler.from_config(PUBLISHED.config, flow_shift=5.0)
    published.set_timesteps(6)
    assert torch.equal(end, sampled(published, start))
    assert not torch.allclose(end, euler(scheduler.sigmas, start), atol=1e-3)


@pytest.mark.parametrize("quality", ["fast", "best"])
@pytest.mark.parametrize("shift", [3.0, 5.0, 8.0])
def test_noise_levels_are_shifted_once(quality, shift):
    scheduler = scheduler_of(quality, 4, shift)

    assert np.allclose(scheduler.sigmas[:-1].numpy(), ideal(4, shift), atol=2e-3)
    assert scheduler.sigmas[-1] == 0


def test_the_published_euler_config_becomes_unipc_with_the_same_levels():
    published = FlowMatchEulerDiscreteScheduler(shift=8.0)

    with_its_config = scheduler_of("fast", 4, 5.0, published)

    assert isinstance(with_its_config, UniPCMultistepScheduler)
    assert np.allclose(with_its_config.sigmas[:-1].numpy(), ideal(4, 5.0), atol=2e-3)


def test_a_job_does_not_change_the_published_scheduler():
    scheduler_of("fast", 4, 8.0)

    assert PUBLISHED.config.flow_shift == 3.0
    assert PUBLISHED.config.disable_corrector == []


@pytest.mark.parametrize(
    ("steps", "shift", "high"),
    [(10, 3.0, 3), (4, 3.0, 2), (4, 5.0, 2), (4, 8.0, 2), (1, 5.0, 1), (40, 5.0, 15)],
)
def test_the_shift_decides_where_the_experts_change(steps, shift, high):
    shares = expert_steps(scheduler_of("best", steps, shift), steps, 0.9)

    assert shares == [HIGH_NOISE] * high + [LOW_NOISE] * (steps - high)


def test_one_expert_runs_all_steps():
    assert expert_steps(scheduler_of("best", 5, 3.0), 5, None) == [HIGH_NOISE] * 5


@pytest.mark.parametrize(("quality", "steps", "shift"), [("best", 5, 3.0), ("fast", 4, 5.0)])
def test_the_pipeline_runs_the_experts_as_computed(tmp_path, quality, steps, shift):
    pipe = load(tiny_weights(tmp_path), WAN2_2_I2V).pipe
    pipe.scheduler = create_scheduler(pipe, SamplingParameters(quality, steps, shift))
    computed = expert_steps(pipe.scheduler, steps, WAN2_2_I2V.boundary_ratio)
    ran = []
    pipe.transformer.register_forward_pre_hook(lambda *_: ran.append(HIGH_NOISE))
    pipe.transformer_2.register_forward_pre_hook(lambda *_: ran.append(LOW_NOISE))
    pipe.set_progress_bar_config(disable=True)

    pipe(
        Image.new("RGB", (64, 64), "teal"),
        "the cat",
        height=64,
        width=64,
        num_frames=5,
        num_inference_steps=steps,
        guidance_scale=1.0,
        output_type="latent",
    )

    assert ran == computed
    assert set(ran) == {HIGH_NOISE, LOW_NOISE}
