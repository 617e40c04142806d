"""The call of the pipeline: what it is given, what it tells, how it is stopped."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from tests.models.wan.running import Ear, Stop, inputs, ramp, runner_of, settled, wish
from tests.models.wan.tiny import tiny_weights


@pytest.fixture(scope="module", params=["wan2.1", "wan2.2"])
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def runner(tmp_path_factory, kind):
    return runner_of(tiny_weights(tmp_path_factory.mktemp(kind), kind), kind)


def generate(runner, folder, params, ear):
    return runner.generate(params, inputs(folder), folder / "out.mp4", ear)


def heard(model, seen):
    """Note the length of the text that a denoiser is given."""
    return model.register_forward_pre_hook(
        lambda _, args, kwargs: seen.append(kwargs["encoder_hidden_states"].shape[1]),
        with_kwargs=True,
    )


def test_every_step_is_told_once_and_the_decoding_after_them(runner, kind, tmp_path):
    ear = Ear()

    generate(runner, tmp_path, wish(kind, steps=4), ear)

    assert ear.of("generating") == [(step, 4) for step in range(5)]
    assert ear.of("encoding") == [(frame, 5) for frame in range(6)]


def test_previews_are_small_jpegs_of_the_frame_under_way(runner, kind, tmp_path):
    ear = Ear()

    generate(runner, tmp_path, wish(kind, steps=3), ear)

    assert len(ear.previews) == 3
    for preview in ear.previews:
        shown = cv2.imdecode(np.frombuffer(preview, np.uint8), cv2.IMREAD_COLOR)
        assert shown.shape == (240, 240, 3)
        assert len(preview) < 20_000


def test_a_long_run_does_not_show_every_step(runner, kind, tmp_path):
    ear = Ear()

    generate(runner, tmp_path, wish(kind, steps=26, guidance=1.0), ear)

    assert len(ear.previews) == 13


def test_a_stop_at_step_2_of_20_runs_no_third_step_and_the_next_job_is_as_ever(
    runner, kind, tmp_path
):
    passes = []
    models = [runner._pipe.transformer, runner._pipe.transformer_2]
    hooks = [heard(model, passes) for model in models if model is not None]

    with pytest.raises(Stop):
        generate(runner, tmp_path, wish(kind, steps=20), Ear(stop_at=("generating", 2)))
    stopped = len(passes)
    generate(runner, tmp_path, wish(kind), Ear())
    for hook in hooks:
        hook.remove()

    assert stopped == 2 * 2
    assert not (tmp_path / "other.mp4").exists()
    assert len(passes) == stopped + 2 * 2


def test_a_stopped_run_leaves_no_file(runner, kind, tmp_path):
    with pytest.raises(Stop):
        generate(runner, tmp_path, wish(kind), Ear(stop_at=("encoding", 2)))

    assert not (tmp_path / "out.mp4").exists()


def test_a_stopped_run_changes_nothing_of_the_next(runner, kind, tmp_path):
    first = generate(runner, tmp_path, wish(kind), Ear()).path.read_bytes()
    with pytest.raises(Stop):
        generate(runner, tmp_path, wish(kind, steps=20), Ear(stop_at=("generating", 2)))

    assert generate(runner, tmp_path, wish(kind), Ear()).path.read_bytes() == first


def test_the_text_is_512_tokens_long_however_short_the_prompt(runner, kind, tmp_path):
    seen = []
    hook = heard(runner._pipe.transformer, seen)

    generate(runner, tmp_path, wish(kind), Ear())
    hook.remove()

    assert set(seen) == {512}


def test_each_change_of_the_expert_is_told(runner, kind, tmp_path):
    changes = []

    def report(stage, done=0, total=None, *, preview=None, notes=None):
        if "expert" in (notes or {}):
            changes.append((done, notes["expert"]))

    generate(runner, tmp_path, wish(kind, quality="fast", steps=4), report)

    both = [(0, "high_noise"), (2, "low_noise")]
    assert changes == (both if kind == "wan2.2" else [])


def test_the_frames_are_those_of_the_bare_pipeline(runner, kind):
    resolved = settled(kind)
    job = runner._job(resolved, (ramp(64, 64), None), Ear())
    ours = np.stack(list(job.frames()))
    pipe = runner._pipe
    pipe.scheduler = type(pipe.scheduler).from_config(pipe.scheduler.config)

    bare = pipe(
        image=Image.fromarray(ramp(64, 64)[:, :, ::-1].copy()),
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

    assert np.array_equal(ours[..., ::-1], (bare * 255).round().astype(np.uint8))
