"""`models convert` writes safetensors atomically from a published checkpoint."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from cli.models.convert import atomic_output
from models.wav2lip.checkpoint import load
from models.wav2lip.network import Wav2Lip
from models.wav2lip.runner import CHECKPOINTS
from tests.cli.models.conftest import result_of
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


def file_digest(path):
    content = path.read_bytes()
    return {
        "path": str(path),
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_converted_file_is_written_beside_the_source_and_reported(models, published):
    result = models("convert", "wav2lip", published)

    target = published.with_name(SAFE)
    assert result.code == 0
    assert f"{target}  145 MB" in result.out
    assert f"sha256 {file_digest(target)['sha256']}" in result.out
    assert f"sha256 {file_digest(published)['sha256']}" in result.out
    assert set(names(published.parent)) == {published.name, SAFE}
    assert target.stat().st_mode == published.stat().st_mode


def test_an_fp16_file_loads_as_fp32_and_is_the_runners_first_choice(models, published, state):
    folder = published.parent / "lip"
    folder.mkdir()

    output = models("convert", "wav2lip", published, folder, "--half", "--json").json

    target = folder / CHECKPOINTS[0]
    assert output == {
        "name": "wav2lip",
        "dtype": "fp16",
        "source": file_digest(published),
        "target": file_digest(target),
    }
    assert output["target"]["bytes"] < 73_000_000
    weight = "output_block.1.weight"
    assert load_file(target)[weight].dtype == torch.float16
    found = load(target).state_dict()[weight]
    assert found.dtype == torch.float32
    assert torch.allclose(found, state[weight], rtol=1e-3, atol=1e-6)


def test_an_existing_file_is_replaced_only_with_force(models, published):
    target = published.with_name(SAFE)
    target.write_bytes(b"mine")

    refused = models("convert", "wav2lip", published)
    before = target.read_bytes()
    forced = models("convert", "wav2lip", published, target, "--force")

    assert (refused.code, before) == (1, b"mine")
    assert f"{target} already exists: use --force to replace it" in refused.err
    assert forced.code == 0
    assert target.stat().st_size > 145_000_000


def lacking(state, path):
    torch.save({name: one for name, one in state.items() if "output_block.1" not in name}, path)


def damaged(state, path):
    torch.save(state, path)
    os.truncate(path, 1_000_000)


def too_large(state, path):
    torch.save(state | {"output_block.1.bias": torch.full((3,), 1e5)}, path)


INVALID = {
    "a page": (lambda _, path: path.write_bytes(b"<!doctype html><p>x"), "is a web page"),
    "cut short": (damaged, "cut short or damaged"),
    "another network": (lacking, "missing: output_block.1.bias, output_block.1.weight"),
    "empty": (lambda _, path: path.touch(), "cut short or damaged"),
    "beyond fp16": (
        too_large,
        "cannot be converted to fp16: values of output_block.1.bias are out",
    ),
}


@pytest.mark.parametrize("fault", INVALID)
def test_an_invalid_checkpoint_is_reported_and_leaves_no_file(models, state, tmp_path, fault):
    write, message = INVALID[fault]
    source = tmp_path / "lip.pth"
    write(state, source)

    result = models("convert", "wav2lip", source, "--half")

    assert result.code == 1
    assert len(result.err.splitlines()) == 1
    assert str(source) in result.err
    assert message in result.err
    assert names(tmp_path) == ["lip.pth"]


def test_an_unwritable_target_is_reported(models, published, tmp_path):
    target = tmp_path / "nowhere" / SAFE

    result = models("convert", "wav2lip", published, target)

    assert result.code == 1
    assert f"{target} cannot be written: No such file or directory" in result.err


def test_ctrl_c_leaves_no_file(models, tmp_path):
    source = tmp_path / "lip.pth"
    os.mkfifo(source)
    process = models.start("convert", "wav2lip", source)
    until(lambda: len(names(tmp_path)) > 1, what="the partial file")

    process.send_signal(signal.SIGINT)

    assert result_of(process).code == 130
    assert names(tmp_path) == ["lip.pth"]


def interrupted(partial):
    partial.write_bytes(b"half of it")
    raise KeyboardInterrupt


def test_an_interrupted_write_leaves_the_existing_file_unchanged(tmp_path):
    target = tmp_path / SAFE
    target.write_bytes(b"before")

    with pytest.raises(KeyboardInterrupt), atomic_output(target) as partial:
        interrupted(partial)

    assert names(tmp_path) == [SAFE]
    assert target.read_bytes() == b"before"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["musetalk", __file__], "no converter for 'musetalk'; models with one: latentsync-1.5, "),
        (["wav2lip", "no.pth"], "no.pth"),
        (["wav2lip"], "SRC"),
    ],
)
def test_usage_errors_exit_with_code_2(models, arguments, message):
    result = models("convert", *arguments)

    assert result.code == 2
    assert message in result.err


def test_the_error_without_torch_says_what_to_install(models, published, tmp_path):
    hidden = 'raise ModuleNotFoundError("No module named \'torch\'", name="torch")'
    (tmp_path / "torch.py").write_text(hidden)

    result = models.run_in_process("convert", "wav2lip", published)

    assert result.code == 1
    assert "needs torch" in result.err
    assert "worker" in result.err
    assert names(published.parent) == [published.name]


def test_the_command_line_starts_without_torch():
    script = "import sys, cli.models.command, cli.models.convert; print('torch' in sys.modules)"

    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert result.stdout.strip() == "False"


@pytest.mark.parametrize("size", ["1024", "1000x1000", "0x32", "32x32x32", "axb"])
def test_a_base_size_must_be_height_x_width(models, published, size):
    result = models("convert", "inspyrenet", published, "--base-size", size)

    assert result.code == 2
    assert "multiples of 32" in result.err


def test_a_model_without_a_base_size_takes_none(models, published):
    result = models("convert", "wav2lip", published, "--base-size", "96x96")

    assert result.code == 2
    assert "omit --base-size" in result.err
    assert names(published.parent) == ["wav2lip_gan.pth"]


def test_a_checkpoint_of_unknown_base_size_is_not_converted(models, published):
    result = models("convert", "inspyrenet", published)

    assert result.code == 1
    assert "--base-size" in result.err
    assert names(published.parent) == ["wav2lip_gan.pth"]
