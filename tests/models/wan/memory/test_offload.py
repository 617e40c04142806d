"""Every offload strategy gives the same video, and one out-of-memory error is survived."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.wan.memory.offload_plan import OffloadStrategy
from models.wan.settings import WanSettings
from tests.models.wan.reports import ReportRecorder, StopRun
from tests.models.wan.running import frames_of, inputs, request_for, runner_of
from tests.models.wan.tiny import tiny_weights

EXACT = [
    OffloadStrategy.ALL_RESIDENT,
    OffloadStrategy.TEXT_ENCODER_OFFLOAD,
    OffloadStrategy.EXPERT_SWAP,
    OffloadStrategy.GROUP_OFFLOAD,
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_weights(tmp_path_factory.mktemp("weights"), "wan2.2", "gguf-q5_0")


@pytest.fixture(scope="module")
def expected(folder, tmp_path_factory):
    """The frames of a runner with default settings."""
    return run(runner_of(folder, "wan2.2"), tmp_path_factory.mktemp("usual"))


def runner_with(folder, strategy, **settings):
    return runner_of(folder, "wan2.2", settings=WanSettings(offload=strategy, **settings))


def run(runner, folder, recorder=None, **values):
    clip = runner.generate(
        request_for(**values), inputs(folder), folder / "out.mp4", recorder or ReportRecorder()
    )
    return frames_of(clip.path)


def failing(model, times):
    """Make a denoiser run out of memory at its next passes."""
    left = [times]

    def fail(*_):
        if left[0]:
            left[0] -= 1
            raise torch.OutOfMemoryError("CUDA out of memory")

    return model.register_forward_pre_hook(fail)


@pytest.mark.parametrize("strategy", EXACT)
def test_a_strategy_changes_no_frame(folder, expected, strategy, tmp_path):
    runner, recorder = runner_with(folder, strategy), ReportRecorder()

    assert np.array_equal(run(runner, tmp_path, recorder), expected)
    assert recorder.notes["offload"] == strategy.value


def test_fp8_changes_the_frames_slightly(tmp_path):
    folder = tiny_weights(tmp_path / "weights", "wan2.2")
    exact = run(runner_of(folder, "wan2.2"), tmp_path).astype(int)

    close = run(runner_with(folder, OffloadStrategy.FP8_OFFLOAD), tmp_path).astype(int)

    assert 0 < np.abs(close - exact).mean() < 8


def test_an_out_of_memory_error_degrades_the_plan_and_loses_no_frame(folder, expected, tmp_path):
    runner, recorder = runner_with(folder, OffloadStrategy.ALL_RESIDENT), ReportRecorder()
    hook = failing(runner._pipe.transformer_2, 1)

    frames = run(runner, tmp_path, recorder)
    hook.remove()

    assert np.array_equal(frames, expected)
    assert recorder.notes["offload"] == "text_encoder_offload"
    assert recorder.notes["offload_reason"].endswith("out of memory with all_resident.")


def test_later_jobs_start_with_the_degraded_plan(folder, expected, tmp_path):
    runner, recorder = runner_with(folder, OffloadStrategy.ALL_RESIDENT), ReportRecorder()
    hook = failing(runner._pipe.transformer, 1)
    run(runner, tmp_path)
    hook.remove()

    assert np.array_equal(run(runner, tmp_path, recorder), expected)
    assert recorder.notes["offload"] == "text_encoder_offload"


def test_a_second_out_of_memory_error_fails_the_job(folder, tmp_path):
    runner = runner_with(folder, OffloadStrategy.ALL_RESIDENT)
    hook = failing(runner._pipe.transformer, 2)

    with pytest.raises(torch.OutOfMemoryError):
        run(runner, tmp_path)
    hook.remove()

    assert not (tmp_path / "out.mp4").exists()
    assert run(runner, tmp_path).shape == (5, 64, 64, 3)


def test_an_out_of_memory_error_while_decoding_loses_no_frame(folder, tmp_path):
    runner = runner_with(folder, OffloadStrategy.ALL_RESIDENT)
    passes = [0]

    def fail(*_):
        passes[0] += 1
        if passes[0] == 2:
            raise torch.OutOfMemoryError("CUDA out of memory")

    hook = runner._pipe.vae.decoder.register_forward_pre_hook(fail)
    recorder = ReportRecorder()

    frames = run(runner, tmp_path, recorder)
    hook.remove()

    assert len(frames) == 5
    assert recorder.of("encoding")[-1] == (5, 5)
    assert recorder.notes["vae_tiled"] is True


def test_without_a_gpu_the_plan_cannot_be_degraded(folder, tmp_path):
    runner = runner_of(folder, "wan2.2")
    hook = failing(runner._pipe.transformer, 1)

    with pytest.raises(torch.OutOfMemoryError, match="no strategy needs less"):
        run(runner, tmp_path)
    hook.remove()


def test_stopping_a_streamed_run_does_not_change_the_next_one(folder, expected, tmp_path):
    runner = runner_with(folder, OffloadStrategy.GROUP_OFFLOAD)

    with pytest.raises(StopRun):
        run(runner, tmp_path, ReportRecorder(stop_at=("generating", 1)))

    assert np.array_equal(run(runner, tmp_path), expected)


def test_loras_can_change_while_experts_are_streamed(folder, expected, tmp_path):
    runner = runner_with(folder, OffloadStrategy.GROUP_OFFLOAD)

    fast = run(runner, tmp_path, quality="fast", steps=2)
    best = run(runner, tmp_path)

    assert not np.array_equal(fast, expected)
    assert np.array_equal(best, expected)


def test_a_step_cache_is_noted_and_reset_between_jobs(folder, tmp_path):
    runner, recorder = runner_with(folder, "auto", step_cache="first_block:0.5"), ReportRecorder()

    first = run(runner, tmp_path, recorder, steps=6)
    again = run(runner, tmp_path, steps=6)

    assert recorder.notes["step_cache"] == "first_block:0.5"
    assert np.array_equal(first, again)
