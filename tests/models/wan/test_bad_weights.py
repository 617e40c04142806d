"""Weights that compute NaN, a single color, or nothing at all never give a video."""

from __future__ import annotations

import pytest
import torch

from models.errors import OutputInvalid
from tests.models.wan.reports import ReportRecorder
from tests.models.wan.running import inputs, request_for, runner_of
from tests.models.wan.tiny import tiny_weights


@pytest.fixture
def runner(tmp_path):
    return runner_of(tiny_weights(tmp_path / "weights", "wan2.2"), "wan2.2")


def one_nan(network):
    next(network.parameters()).data.view(-1)[0] = float("nan")


def zeros(network):
    for parameter in network.parameters():
        parameter.data.zero_()


def still(vae):
    """The decoder sees neither its latents nor time: every frame is the same picture."""
    for name, parameter in vae.decoder.named_parameters():
        if parameter.ndim == 5:
            parameter.data[:, :, :-1] = 0
        if "time_conv" in name:
            half = len(parameter) // 2
            parameter.data[half:] = parameter.data[:half]
    vae.decoder.conv_in.weight.data.zero_()
    vae.decoder.conv_in.bias.data.normal_(generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("part", "spoil", "code"),
    [
        ("transformer", one_nan, "output_not_finite"),
        ("transformer_2", one_nan, "output_not_finite"),
        ("text_encoder", one_nan, "output_not_finite"),
        ("vae", one_nan, "output_not_finite"),
        ("vae", zeros, "output_blank"),
        ("transformer", zeros, "output_blank"),
        ("transformer_2", zeros, "output_blank"),
        ("text_encoder", zeros, "output_blank"),
        ("vae", still, "output_frozen"),
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

    assert (warming.value.code, running.value.code) == (code, code)
    assert "pull them again" in str(running.value)
    assert str(warming.value) == str(running.value) or code == "output_not_finite"
    assert not out.exists()
