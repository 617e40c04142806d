"""Every way to lie in memory makes the same video, and memory may run out once."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.wan.memory.offload_plan import Rung
from models.wan.settings import WanSettings
from tests.models.wan.running import Ear, Stop, frames_of, inputs, runner_of, wish
from tests.models.wan.tiny import tiny_weights

EXACT = [Rung.ALL_RESIDENT, Rung.TEXT_ENCODER_AWAY, Rung.ONE_EXPERT, Rung.GROUP_OFFLOAD]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_weights(tmp_path_factory.mktemp("weights"), "wan2.2", "gguf-q5_0")


@pytest.fixture(scope="module")
def usual(folder, tmp_path_factory):
    """The frames of a runner without any plan."""
    return run(runner_of(folder, "wan2.2"), tmp_path_factory.mktemp("usual"))


def planned(folder, rung, **settings):
    return runner_of(folder, "wan2.2", settings=WanSettings(plan=rung, **settings))


def run(runner, folder, ear=None, **values):
    clip = runner.generate(wish(**values), inputs(folder), folder / "out.mp4", ear or Ear())
    return frames_of(clip.path)


def failing(model, times, made=torch.OutOfMemoryError):
    """Let a denoiser run out of memory at its next passes."""
    left = [times]

    def refuse(*_):
        if left[0]:
            left[0] -= 1
            raise made("CUDA out of memory")

    return model.register_forward_pre_hook(refuse)


@pytest.mark.parametrize("rung", EXACT)
def test_a_plan_changes_no_frame(folder, usual, rung, tmp_path):
    runner, ear = planned(folder, rung), Ear()

    assert np.array_equal(run(runner, tmp_path, ear), usual)
    assert ear.notes["memory_plan"] == rung.value


def test_fp8_is_close(tmp_path):
    folder = tiny_weights(tmp_path / "weights", "wan2.2")
    exact = run(runner_of(folder, "wan2.2"), tmp_path).astype(int)

    close = run(planned(folder, Rung.FP8_OFFLOAD), tmp_path).astype(int)

    assert 0 < np.abs(close - exact).mean() < 8


def test_memory_that_runs_out_costs_one_rung_and_no_frame(folder, usual, tmp_path):
    runner, ear = planned(folder, Rung.ALL_RESIDENT), Ear()
    hook = failing(runner._pipe.transformer_2, 1)

    frames = run(runner, tmp_path, ear)
    hook.remove()

    assert np.array_equal(frames, usual)
    assert ear.notes["memory_plan"] == "text_encoder_away"
    assert ear.notes["memory_why"].endswith("memory ran out under all_resident.")


def test_later_jobs_start_where_memory_was_enough(folder, usual, tmp_path):
    runner, ear = planned(folder, Rung.ALL_RESIDENT), Ear()
    hook = failing(runner._pipe.transformer, 1)
    run(runner, tmp_path)
    hook.remove()

    assert np.array_equal(run(runner, tmp_path, ear), usual)
    assert ear.notes["memory_plan"] == "text_encoder_away"


def test_memory_that_runs_out_twice_ends_the_job(folder, tmp_path):
    runner = planned(folder, Rung.ALL_RESIDENT)
    hook = failing(runner._pipe.transformer, 2)

    with pytest.raises(torch.OutOfMemoryError):
        run(runner, tmp_path)
    hook.remove()

    assert not (tmp_path / "out.mp4").exists()
    assert run(runner, tmp_path).shape == (5, 64, 64, 3)


def test_memory_that_runs_out_while_decoding_loses_no_frame(folder, tmp_path):
    runner = planned(folder, Rung.ALL_RESIDENT)
    passes = [0]

    def refuse(*_):
        passes[0] += 1
        if passes[0] == 2:
            raise torch.OutOfMemoryError("CUDA out of memory")

    hook = runner._pipe.vae.decoder.register_forward_pre_hook(refuse)
    ear = Ear()

    frames = run(runner, tmp_path, ear)
    hook.remove()

    assert len(frames) == 5
    assert ear.of("encoding")[-1] == (5, 5)
    assert ear.notes["vae_tiled"] is True


def test_without_a_gpu_no_rung_is_left(folder, tmp_path):
    runner = runner_of(folder, "wan2.2")
    hook = failing(runner._pipe.transformer, 1)

    with pytest.raises(torch.OutOfMemoryError, match="no smaller way"):
        run(runner, tmp_path)
    hook.remove()


def test_a_stop_under_a_plan_that_streams_changes_nothing_of_the_next(folder, usual, tmp_path):
    runner = planned(folder, Rung.GROUP_OFFLOAD)

    with pytest.raises(Stop):
        run(runner, tmp_path, Ear(stop_at=("generating", 1)))

    assert np.array_equal(run(runner, tmp_path), usual)


def test_loras_come_and_go_under_a_plan_that_streams(folder, usual, tmp_path):
    runner = planned(folder, Rung.GROUP_OFFLOAD)

    fast = run(runner, tmp_path, quality="fast", steps=2)
    best = run(runner, tmp_path)

    assert not np.array_equal(fast, usual)
    assert np.array_equal(best, usual)


def test_a_step_cache_is_told_and_forgets_between_jobs(folder, tmp_path):
    runner, ear = planned(folder, "auto", step_cache="first_block:0.5"), Ear()

    first = run(runner, tmp_path, ear, steps=6)
    again = run(runner, tmp_path, steps=6)

    assert ear.notes["step_cache"] == "first_block:0.5"
    assert np.array_equal(first, again)
