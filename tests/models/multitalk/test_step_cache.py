"""Steps that are taken over, and evaluations that share one call."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from models.multitalk import denoiser
from models.multitalk.request.input import Input
from models.multitalk.request.resolve import resolve
from models.multitalk.runner import Runner
from models.multitalk.sampling.conditioning import Conditioning
from models.multitalk.sampling.evaluations import Evaluations, Prompts, Voices
from models.multitalk.sampling.step_cache import ALWAYS_COMPUTED, StepCache, computed_steps
from models.multitalk.variants import MULTITALK
from tests.models.multitalk.formula import given
from tests.models.multitalk.running import VARIANTS, generate, request_for, runner_of
from tests.models.multitalk.test_networks import original, region_masks
from tests.models.multitalk.test_runner import latents_of
from tests.models.multitalk.tiny import tiny_talking
from tests.models.multitalk.voice_files import tone
from tests.models.wan.running import frames_of

LARGE = 10**13
"""Bytes of a GPU that holds everything."""


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return tiny_talking(tmp_path_factory.mktemp("talking"))


def changing(*relative):
    """Modulations that change by these shares."""
    values = [1.0]
    for share in relative:
        values.append(values[-1] * (1 + share))
    return torch.tensor(values, dtype=torch.float64)[:, None]


def test_a_step_is_computed_when_the_changes_add_up_to_the_threshold():
    changes = changing(*[0.08] * 11)

    computed = computed_steps(changes, (1.0, 0.0), 0.2)

    assert computed[:ALWAYS_COMPUTED] == (True,) * 5
    assert computed[ALWAYS_COMPUTED:] == (False, False, True, False, False, True, False)


def test_the_polynomial_starts_with_the_highest_power():
    assert computed_steps(changing(*[0.5] * 5), (2.0, 1.0, 0.25), 1.26)[-1] is False
    assert computed_steps(changing(*[0.5] * 5), (2.0, 1.0, 0.25), 1.24)[-1] is True


@pytest.mark.parametrize("resolution", ["480p", "720p"])
def test_each_resolution_has_its_polynomial(resolution):
    params = Input(image="i", audio="a", resolution=resolution, step_cache=0.2)

    resolved = resolve(params, MULTITALK, image_size=(640, 640), frames=25, loras=())

    assert len(resolved.step_polynomial) == 5
    assert resolved.step_polynomial[0] == {"480p": 257151.496, "720p": 8107.0546}[resolution]


@pytest.fixture
def blocks_run(weights):
    """A runner whose steps change by 0.15 each, and how often its first block ran."""
    even = replace(VARIANTS["multitalk"], step_cache={"480p": (0.15,)})
    runner, calls = Runner(weights, even), []
    block = runner._loaded.denoiser.transformer.blocks[0]
    block.register_forward_pre_hook(lambda *_: calls.append(1))
    return runner, calls


def test_steps_that_are_not_computed_call_no_block(blocks_run, tmp_path):
    runner, calls = blocks_run
    every = generate(runner, tmp_path / "1", request_for(steps=20), voice=tone(0.2))
    all_calls = len(calls)
    calls.clear()

    some = generate(runner, tmp_path / "2", request_for(steps=20, step_cache=0.5), voice=tone(0.2))

    assert some.notes["steps_computed"] == "8 of 20"  # five, and of the others each fourth
    assert (all_calls, len(calls)) == (3 * 20, 3 * 8)
    assert "steps_computed" not in every.notes
    assert frames_of(some.path).shape == frames_of(every.path).shape


def test_the_model_is_the_same_after_a_step_cache(blocks_run, tmp_path):
    runner, _ = blocks_run
    before = generate(runner, tmp_path / "1", request_for(), voice=tone(0.2)).path.read_bytes()
    generate(runner, tmp_path / "2", request_for(steps=12, step_cache=0.5), voice=tone(0.2))
    after = generate(runner, tmp_path / "3", request_for(), voice=tone(0.2)).path.read_bytes()

    assert before == after


def test_with_few_steps_every_one_is_computed_and_the_job_says_so(weights, tmp_path, monkeypatch):
    params = request_for(steps=5, step_cache=0.5)

    cached = latents_of(
        runner_of(weights), tmp_path / "1", monkeypatch, steps=5, step_cache=0.5, voice=tone(0.2)
    )
    plain = latents_of(runner_of(weights), tmp_path / "2", monkeypatch, steps=5, voice=tone(0.2))
    clip = generate(runner_of(weights), tmp_path / "3", params, voice=tone(0.2))

    assert torch.equal(cached, plain)
    assert clip.notes["steps_computed"] == "5 of 5"


def with_gpu(monkeypatch, size):
    """Have the memory plan find a GPU of so many bytes; everything still runs on the CPU."""
    monkeypatch.setattr("models.wan.memory.offload.usable_bytes", lambda _: size)


GUIDANCE = {
    "three evaluations": {},
    "two": {"guidance": 1},
    "without voice": {"audio_guidance": 0},
    "adaptive": {"adaptive_guidance": True},
}


@pytest.mark.parametrize("people", [1, 2])
@pytest.mark.parametrize("values", GUIDANCE.values(), ids=GUIDANCE)
def test_evaluations_in_one_call_give_the_same_velocity(people, values):
    apart, together = (evaluations(people, batched=batched, **values) for batched in (False, True))
    latent, time = given(f"denoiser_{people}", "latent"), torch.tensor(412.5)

    torch.testing.assert_close(
        together.velocity(latent, time), apart.velocity(latent, time), atol=1e-4, rtol=1e-4
    )


@pytest.mark.parametrize("batched", [False, True])
def test_a_step_taken_over_adds_what_the_blocks_added_before(batched):
    """At the same latent and time that is the same velocity; without it the blocks are missed."""
    cached = evaluations(1, batched=batched, step_cache=StepCache())
    latent, time = given("denoiser_1", "latent"), torch.tensor(412.5)
    computed = cached.velocity(latent, time)

    taken_over = cached.velocity(latent, time, computed=False)
    later = cached.velocity(latent, torch.tensor(300.0), computed=False)

    torch.testing.assert_close(taken_over, computed, atol=1e-4, rtol=1e-4)
    assert not torch.equal(later, computed)  # the time reaches the last layer


def evaluations(people, *, batched, step_cache=None, **values):
    """Evaluations of the network with the authors' figures, in float32."""
    case, model = f"denoiser_{people}", original(people)
    params = Input(image="i", audio="a", **values)
    heard = model.tokens(given(case, "audio"))
    text = denoiser.padded(given(case, "context"))
    resolved = resolve(params, MULTITALK, image_size=(640, 640), frames=25, loras=())
    return Evaluations(
        denoiser=model,
        resolved=resolved,
        prompts=Prompts(text, text.flip(1) if resolved.guidance > 1 else None),
        voices=Voices(heard, torch.zeros_like(heard)),
        conditioning=Conditioning(given(case, "y"), given(case, "clip"), None),
        masks=region_masks() if people == 2 else None,
        batched=batched,
        step_cache=step_cache,
    )


@pytest.mark.parametrize(("size", "at_once"), [(LARGE, 3), (1, None)])
def test_evaluations_share_a_call_where_the_memory_plan_has_room(
    weights, tmp_path, monkeypatch, size, at_once
):
    with_gpu(monkeypatch, size)

    clip = generate(runner_of(weights), tmp_path, request_for(), voice=tone(0.2))

    assert clip.notes.get("evaluations_at_once") == at_once


def test_out_of_memory_takes_one_evaluation_at_a_time_before_a_slower_plan(
    weights, tmp_path, monkeypatch
):
    with_gpu(monkeypatch, LARGE)
    runner = runner_of(weights)
    transformer = runner._loaded.denoiser.transformer

    def fail_together(_, __, keywords):
        if len(keywords["hidden_states"]) > 1:
            raise torch.OutOfMemoryError("three are too many")

    transformer.register_forward_pre_hook(fail_together, with_kwargs=True)

    clip = generate(runner, tmp_path, request_for(), voice=tone(0.2))

    assert "evaluations_at_once" not in clip.notes
    assert clip.notes["offload"] == "all_resident"


def test_the_plan_counts_what_a_step_cache_keeps(weights):
    runner = runner_of(weights)
    params = Input(image="i", audio="a", step_cache=0.2)
    resolved = resolve(params, MULTITALK, image_size=(640, 640), frames=81, loras=())
    manager = runner._offload

    manager.prepare(resolved)
    without = manager._required.activations
    manager.prepare(resolved, resolved.kept_states)

    config = runner._loaded.denoiser.transformer.config
    values = 21 * 40 * 40 * config.num_attention_heads * config.attention_head_dim
    assert resolved.kept_states == 3
    assert manager._required.activations - without == values * 2 * 3
