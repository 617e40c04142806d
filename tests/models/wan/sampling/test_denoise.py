"""The call of the pipeline: its arguments, its reports, and how it is stopped."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from tests.models.wan.reports import ReportRecorder, StopRun
from tests.models.wan.running import inputs, request_for, resolved_for, runner_of, sample_image
from tests.models.wan.tiny import tiny_weights


@pytest.fixture(scope="module", params=["wan2.1", "wan2.2"])
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def runner(tmp_path_factory, kind):
    return runner_of(tiny_weights(tmp_path_factory.mktemp(kind), kind), kind)


def generate(runner, folder, params, recorder):
    return runner.generate(params, inputs(folder), folder / "out.mp4", recorder)


def record_tokens(model, seen):
    """Record the number of text tokens of each call of a denoiser."""
    return model.register_forward_pre_hook(
        lambda _, args, kwargs: seen.append(kwargs["encoder_hidden_states"].shape[1]),
        with_kwargs=True,
    )


def test_every_step_and_decoded_frame_is_reported_once(runner, kind, tmp_path):
    recorder = ReportRecorder()

    generate(runner, tmp_path, request_for(kind, steps=4), recorder)

    assert recorder.of("generating") == [(step, 4) for step in range(5)]
    assert recorder.of("encoding") == [(frame, 5) for frame in range(6)]


def test_previews_are_small_jpegs(runner, kind, tmp_path):
    recorder = ReportRecorder()

    generate(runner, tmp_path, request_for(kind, steps=3), recorder)

    assert len(recorder.previews) == 3
    for preview in recorder.previews:
        shown = cv2.imdecode(np.frombuffer(preview, np.uint8), cv2.IMREAD_COLOR)
        assert shown.shape == (240, 240, 3)
        assert len(preview) < 20_000


def test_a_long_run_does_not_preview_every_step(runner, kind, tmp_path):
    recorder = ReportRecorder()

    generate(runner, tmp_path, request_for(kind, steps=26, guidance=1.0), recorder)

    assert len(recorder.previews) == 13


def test_a_stop_at_step_2_of_20_runs_no_third_step_and_the_next_job_is_unaffected(
    runner, kind, tmp_path
):
    passes = []
    models = [runner._pipe.transformer, runner._pipe.transformer_2]
    hooks = [record_tokens(model, passes) for model in models if model is not None]

    with pytest.raises(StopRun):
        generate(
            runner, tmp_path, request_for(kind, steps=20), ReportRecorder(stop_at=("generating", 2))
        )
    stopped = len(passes)
    generate(runner, tmp_path, request_for(kind), ReportRecorder())
    for hook in hooks:
        hook.remove()

    assert stopped == 2 * 2
    assert not (tmp_path / "other.mp4").exists()
    assert len(passes) == stopped + 2 * 2


def test_a_stopped_run_leaves_no_file(runner, kind, tmp_path):
    with pytest.raises(StopRun):
        generate(runner, tmp_path, request_for(kind), ReportRecorder(stop_at=("encoding", 2)))

    assert not (tmp_path / "out.mp4").exists()


def test_a_stopped_run_does_not_change_the_next_one(runner, kind, tmp_path):
    first = generate(runner, tmp_path, request_for(kind), ReportRecorder()).path.read_bytes()
    with pytest.raises(StopRun):
        generate(
            runner, tmp_path, request_for(kind, steps=20), ReportRecorder(stop_at=("generating", 2))
        )

    assert (
        generate(runner, tmp_path, request_for(kind), ReportRecorder()).path.read_bytes() == first
    )


def test_the_denoiser_always_gets_512_text_tokens(runner, kind, tmp_path):
    seen = []
    hook = record_tokens(runner._pipe.transformer, seen)

    generate(runner, tmp_path, request_for(kind), ReportRecorder())
    hook.remove()

    assert set(seen) == {512}


def test_each_change_of_the_expert_is_noted(runner, kind, tmp_path):
    changes = []

    def report(stage, done=0, total=None, *, preview=None, notes=None, part=None):
        if "expert" in (notes or {}):
            changes.append((done, notes["expert"]))

    generate(runner, tmp_path, request_for(kind, quality="fast", steps=4), report)

    both = [(0, "high_noise"), (2, "low_noise")]
    assert changes == (both if kind == "wan2.2" else [])


def test_the_frames_equal_those_of_the_plain_pipeline(runner, kind):
    resolved = resolved_for(kind)
    run = runner._run(resolved, (sample_image(64, 64), None), ReportRecorder())
    ours = np.stack(list(run.frames()))
    pipe = runner._pipe
    pipe.scheduler = type(pipe.scheduler).from_config(pipe.scheduler.config)

    plain = pipe(
        image=Image.fromarray(sample_image(64, 64)[:, :, ::-1].copy()),
        prompt=resolved.prompt,
        negative_prompt=resolved.negative_prompt,
        height=64,
        width=64,
        num_frames=5,
        num_inference_steps=2,
        guidance_scale=resolved.guidance,
        guidance_scale_2=resolved.guidance_2,
        generator=torch.Generator("cpu").manual_seed(7),
    ).frames[0]

    assert np.array_equal(ours[..., ::-1], (plain * 255).round().astype(np.uint8))
