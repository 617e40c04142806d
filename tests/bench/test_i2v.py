"""`bench.i2v` runs and prints its report."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from bench.i2v import full_size, lip_sync, talking
from bench.i2v.__main__ import main
from models.latentsync import unet
from models.latentsync.networks import LatentSync
from models.multitalk.runner import Runner
from tests.models.latentsync.tiny import SMALL, tiny_weights
from tests.models.multitalk.running import VARIANTS, request_for, runner_of
from tests.models.multitalk.tiny import tiny_talking


@pytest.fixture
def tiny(tmp_path):
    return tiny_weights(tmp_path / "weights")


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


SIZES = {
    ("multitalk", "bf16"): ("transformer", 18_868_000_000, 37_740_000_000),
    ("infinitetalk", "gguf-q5_0"): ("transformer", 18_868_000_000, 16_570_000_000),
    ("wan2.2-ti2v-5b", "bf16"): ("transformer", 4_999_000_000, 9_999_000_000),
    ("latentsync-1.6", "bf16"): ("unet", 1_267_099_844, 2_535_044_488),
}
"""A network of each model with its parameters and bytes."""


@pytest.mark.parametrize("which", SIZES, ids="-".join)
def test_a_model_of_full_size_has_its_size_printed_without_a_gpu(monkeypatch, capsys, which):
    model, profile = which
    monkeypatch.setattr("sys.argv", ["bench.i2v", "--full", model, "--profile", profile])
    monkeypatch.setattr("structlog.configure", lambda **_: None)  # it would hold this test's stderr
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)

    main()

    report = json.loads(capsys.readouterr().out)
    part, parameters, size = SIZES[which]
    found = report["parts"][part]
    assert (report["gpu"], report["model"], report["profile"]) == (None, model, profile)
    assert found["parameters"] == pytest.approx(parameters, rel=1e-3)
    assert found["bytes"] == pytest.approx(size, rel=1e-3)
    assert report["total"]["bytes"] == sum(each["bytes"] for each in report["parts"].values())


def test_chunks_of_lip_sync_have_their_figures(tiny):
    found = lip_sync.chunks(LatentSync(tiny, SMALL), SMALL, steps=2)

    assert (found["size"], found["steps"], found["peak_gb"]) == ("128 x 128 x 16", 2, None)
    assert (found["offload"], found["runs_on"]) == ("cpu", "cpu float32")


def test_random_networks_of_lip_sync_need_no_files(monkeypatch):
    """As `--full` does, with narrower layers."""
    narrow = {**unet.PUBLISHED, "block_out_channels": (32,) * 4, "layers_per_block": 1}
    monkeypatch.setattr(unet, "PUBLISHED", narrow)
    channels = {"block_out_channels": (32,) * 4, "layers_per_block": 1}
    monkeypatch.setattr(lip_sync, "VAE", lip_sync.VAE | channels)
    networks = LatentSync.from_loaded(lip_sync.random_networks(), SMALL)

    found = lip_sync.chunks(networks, SMALL, steps=1)

    assert found["steps"] == 1


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
