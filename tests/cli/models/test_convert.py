"""A published checkpoint becomes safetensors, whole or not at all."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from cli.models.convert import whole
from models.wav2lip.checkpoint import load
from models.wav2lip.network import Wav2Lip
from models.wav2lip.runner import CHECKPOINTS
from tests.cli.models.conftest import ended
from tests.models.golden import figures
from tests.waiting import until

SAFE = "wav2lip_gan.safetensors"


@pytest.fixture(scope="module")
def state():
    return figures.filled(Wav2Lip().state_dict(), gain=0.75)


@pytest.fixture
def published(state, tmp_path):
    """A training checkpoint, as it was published."""
    path = tmp_path / "weights" / "wav2lip_gan.pth"
    path.parent.mkdir()
    wrapped = {f"module.{name}": tensor for name, tensor in state.items()}
    torch.save({"state_dict": wrapped, "optimizer": None, "global_step": 5}, path)
    return path


def print_of(path):
    content = path.read_bytes()
    return {
        "path": str(path),
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_new_file_lies_beside_the_old_and_is_told_with_size_and_digest(models, published):
    shown = models("convert", "wav2lip", published)

    target = published.with_name(SAFE)
    assert shown.code == 0
    assert f"{target}  145 MB" in shown.out
    assert f"sha256 {print_of(target)['sha256']}" in shown.out
    assert f"sha256 {print_of(published)['sha256']}" in shown.out
    assert set(names(published.parent)) == {published.name, SAFE}
    assert target.stat().st_mode == published.stat().st_mode


def test_half_of_it_loads_as_fp32_and_is_what_the_runner_takes_first(models, published, state):
    folder = published.parent / "lip"
    folder.mkdir()

    told = models("convert", "wav2lip", published, folder, "--half", "--json").json

    target = folder / CHECKPOINTS[0]
    assert told == {
        "name": "wav2lip",
        "dtype": "fp16",
        "source": print_of(published),
        "target": print_of(target),
    }
    assert told["target"]["bytes"] < 73_000_000
    weight = "output_block.1.weight"
    assert load_file(target)[weight].dtype == torch.float16
    found = load(target).state_dict()[weight]
    assert found.dtype == torch.float32
    assert torch.allclose(found, state[weight], rtol=1e-3, atol=1e-6)


def test_a_file_that_is_there_is_replaced_only_by_force(models, published):
    target = published.with_name(SAFE)
    target.write_bytes(b"mine")

    refused = models("convert", "wav2lip", published)
    before = target.read_bytes()
    forced = models("convert", "wav2lip", published, target, "--force")

    assert (refused.code, before) == (1, b"mine")
    assert f"{target} is there already: --force replaces it" in refused.err
    assert forced.code == 0
    assert target.stat().st_size > 145_000_000


def lacking(state, path):
    torch.save({name: one for name, one in state.items() if "output_block.1" not in name}, path)


def damaged(state, path):
    torch.save(state, path)
    os.truncate(path, 1_000_000)


def too_large(state, path):
    torch.save(state | {"output_block.1.bias": torch.full((3,), 1e5)}, path)


BROKEN = {
    "a page": (lambda _, path: path.write_bytes(b"<!doctype html><p>x"), "is a web page"),
    "cut short": (damaged, "cut short or damaged"),
    "another network": (lacking, "missing: output_block.1.bias, output_block.1.weight"),
    "empty": (lambda _, path: path.touch(), "cut short or damaged"),
    "beyond fp16": (too_large, "cannot be fp16: output_block.1.bias has values beyond it"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_what_is_no_checkpoint_is_told_in_a_line_and_leaves_nothing(models, state, tmp_path, fault):
    make, words = BROKEN[fault]
    source = tmp_path / "lip.pth"
    make(state, source)

    shown = models("convert", "wav2lip", source, "--half")

    assert shown.code == 1
    assert len(shown.err.splitlines()) == 1
    assert str(source) in shown.err
    assert words in shown.err
    assert names(tmp_path) == ["lip.pth"]


def test_a_place_that_cannot_be_written_is_told_in_a_line(models, published, tmp_path):
    target = tmp_path / "nowhere" / SAFE

    shown = models("convert", "wav2lip", published, target)

    assert shown.code == 1
    assert f"{target} cannot be written: No such file or directory" in shown.err


def test_ctrl_c_leaves_nothing(models, tmp_path):
    source = tmp_path / "lip.pth"
    os.mkfifo(source)
    process = models.start("convert", "wav2lip", source)
    until(lambda: len(names(tmp_path)) > 1, what="the partial file")

    process.send_signal(signal.SIGINT)

    assert ended(process).code == 130
    assert names(tmp_path) == ["lip.pth"]


def interrupted(partial):
    partial.write_bytes(b"half of it")
    raise KeyboardInterrupt


def test_an_end_while_it_writes_leaves_nothing_and_spares_what_was_there(tmp_path):
    target = tmp_path / SAFE
    target.write_bytes(b"before")

    with pytest.raises(KeyboardInterrupt), whole(target) as partial:
        interrupted(partial)

    assert names(tmp_path) == [SAFE]
    assert target.read_bytes() == b"before"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["musetalk", __file__], "'musetalk' is not converted; these are: wav2lip"),
        (["wav2lip", "no.pth"], "no.pth"),
        (["wav2lip"], "SRC"),
    ],
)
def test_usage_is_told_from_failure(models, arguments, words):
    shown = models("convert", *arguments)

    assert shown.code == 2
    assert words in shown.err


def test_without_torch_it_says_what_to_install(models, published, tmp_path):
    hidden = 'raise ModuleNotFoundError("No module named \'torch\'", name="torch")'
    (tmp_path / "torch.py").write_text(hidden)

    shown = models.alone("convert", "wav2lip", published)

    assert shown.code == 1
    assert "this needs torch" in shown.err
    assert "worker" in shown.err
    assert names(published.parent) == [published.name]


def test_the_command_line_starts_without_torch():
    script = "import sys, cli.models.command; print('torch' in sys.modules)"

    shown = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert shown.stdout.strip() == "False"
