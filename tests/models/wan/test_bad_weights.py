"""Weights that compute NaN, a single color, or nothing at all never give a video."""

from __future__ import annotations

import pytest
import torch

from models.errors import OutputInvalid
from tests.models.wan.running import ReportRecorder, inputs, request_for, runner_of
from tests.models.wan.tiny import tiny_weights


@pytest.fixture
def runner(tmp_path):
    return runner_of(tiny_weights(tmp_path / "weights", "wan2.2"), "wan2.2")


def one_nan(network):
    next(network.parameters()).data.view(-1)[0] = float("nan")


def zeros(network):
    for parameter in network.parameters():
        parameter.data.zero_()


@pytest.mark.parametrize(
    ("part", "spoil", "code"),
    [
        ("transformer", one_nan, "output_not_finite"),
        ("transformer_2", one_nan, "output_not_finite"),
        ("text_encoder", one_nan, "output_not_finite"),
        ("vae", one_nan, "output_not_finite"),
        ("vae", zeros, "output_blank"),
    ],
)
def test_bad_weights_fail_in_warm_up_and_in_a_job(runner, tmp_path, part, spoil, code):
    with torch.no_grad():
        spoil(getattr(runner._pipe, part))
    out = tmp_path / "out.mp4"

    with pytest.raises(OutputInvalid) as warming:
        runner.warm_up()
    with pytest.raises(OutputInvalid) as running:
        runner.generate(request_for(steps=4), inputs(tmp_path), out, ReportRecorder())

    assert warming.value.code in {code, "output_not_finite"}
    assert running.value.code == code
    assert not out.exists()
