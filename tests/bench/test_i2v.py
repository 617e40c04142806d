"""`bench.i2v` runs and prints its report."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from bench.i2v import talking
from bench.i2v.__main__ import main
from tests.models.multitalk.running import VARIANTS, request_for, runner_of
from tests.models.multitalk.tiny import tiny_talking


@pytest.mark.slow
def test_the_benchmark_prints_its_report():
    command = [sys.executable, "-m", "bench.i2v", "--rounds", "1", "--steps", "2"]
    process = subprocess.run(command, capture_output=True, check=True, text=True)

    report = json.loads(process.stdout)

    assert report["bench"] == "i2v"
    assert set(report["overhead_beyond_encoding"]) == {"seconds", "cpu_seconds"}
    for overhead in report["overhead_beyond_encoding"].values():
        assert overhead["low"] <= overhead["median"] <= overhead["high"]
    assert [run["peer"] for run in report["runs"]] == ["ours", "plain"]


@pytest.mark.parametrize("model", ["multitalk", "infinitetalk", "wan2.1-i2v"])
def test_a_model_of_full_size_is_refused_without_a_gpu(monkeypatch, capsys, model):
    monkeypatch.setattr("sys.argv", ["bench.i2v", "--full", model])
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)

    with pytest.raises(SystemExit) as ended:
        main()

    assert ended.value.code == 2
    refusal = f"--full {model} needs a GPU: PyTorch finds none on this machine"
    assert refusal in capsys.readouterr().err


@pytest.mark.parametrize("voices", [1, 2])
def test_a_clip_of_a_talking_picture_has_its_figures(tmp_path, voices):
    runner = runner_of(tiny_talking(tmp_path / "weights"))
    params = request_for(audio_2="" if voices == 2 else None, step_cache=0.2)

    found = talking.one_clip(runner, VARIANTS["multitalk"], params)

    assert (found["size"], found["people"], found["steps"]) == ("64 x 64 x 9", voices, 2)
    assert found["steps_computed"] == "2 of 2"
