"""`bench.i2v` runs and prints its report."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from bench.i2v import full_size, talking
from bench.i2v.__main__ import main
from models.multitalk.runner import Runner
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


@pytest.mark.slow
@pytest.mark.parametrize("profile", ["bf16", "gguf-q5_0"])
def test_random_weights_in_the_form_of_full_size_make_a_clip(monkeypatch, tmp_path, profile):
    """As `--full` does, with fewer and narrower layers, on a CPU."""
    narrow = {"num_attention_heads": 2, "num_layers": 2, "ffn_dim": 64, "text_dim": 64}
    wan = full_size.DENOISERS["wan2.1-i2v"] | narrow | {"added_kv_proj_dim": 256}
    monkeypatch.setitem(full_size.DENOISERS, "wan2.1-i2v", wan)
    text = {"vocab_size": 1024, "d_model": 64, "d_kv": 16, "d_ff": 64, "num_layers": 1}
    monkeypatch.setattr(full_size, "TEXT", full_size.TEXT | text)
    vision = {"num_hidden_layers": 2, "intermediate_size": 64}
    monkeypatch.setattr(full_size, "VISION", full_size.VISION | vision)
    variant = VARIANTS["multitalk"]
    runner = Runner(tmp_path, variant, loaded=talking.create(variant, profile))

    found = talking.one_clip(runner, variant, request_for(audio_2=""))

    assert (found["size"], found["people"]) == ("64 x 64 x 9", 2)
