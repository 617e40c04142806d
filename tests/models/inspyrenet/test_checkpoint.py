"""A checkpoint loads strictly, and its base size stays with it."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from models.errors import WeightsInvalid
from models.inspyrenet import checkpoint
from models.inspyrenet.checkpoint import convert, load, required_base_size, stated_base_size
from tests.models.inspyrenet import formula
from tests.models.inspyrenet.conftest import SMALL


def test_a_published_checkpoint_loads_strictly(published):
    network = load(published, SMALL)

    state = formula.network(SMALL).state_dict()
    found = network.state_dict()
    assert not network.training
    assert not any(p.requires_grad or p.is_meta for p in network.parameters())
    assert network.base_size == SMALL
    assert found.keys() == state.keys()
    assert all(torch.equal(found[name], state[name]) for name in state)


def test_half_precision_is_half_the_file_and_nearly_the_same_map(published, converted):
    x = formula.smooth((1, 3, 64, 96), 5001)

    with torch.inference_mode():
        exact, half = (load(path, SMALL)(x) for path in (published, converted))

    assert converted.stat().st_size == pytest.approx(181.7e6, rel=0.002)
    assert (exact - half).abs().max() < 0.01
    assert load_file(converted)["context1.conv_cat.bn.running_var"].dtype == torch.float32


def test_the_base_size_is_kept_with_a_converted_file(converted, published):
    with safe_open(converted, framework="pt") as file:
        assert file.metadata()["base_size"] == "64x64"
    assert stated_base_size(converted) == SMALL
    assert stated_base_size(published) is None
    assert required_base_size(converted) == SMALL


def test_another_base_size_than_that_of_the_file_is_refused(converted):
    with pytest.raises(WeightsInvalid, match=r"base size \(64, 64\), not \(384, 384\)"):
        load(converted, (384, 384))


def test_the_base_size_of_an_unknown_file_is_never_guessed(published, tmp_path):
    with pytest.raises(WeightsInvalid, match="--base-size"):
        convert(published, tmp_path / "out.safetensors")

    assert not list(tmp_path.iterdir())


def test_published_names_have_base_sizes(published, tmp_path):
    fast = tmp_path / "ckpt_fast.pth"
    fast.symlink_to(published)

    assert required_base_size(fast) == (384, 384)


def test_the_digests_and_names_are_those_of_the_manifest():
    manifest = Path(checkpoint.__file__).with_name("weights.toml").read_text()
    files = tomllib.loads(manifest)["files"]
    sizes = {"network, base size 1024": (1024, 1024), "network, base size 384": (384, 384)}
    digests = {file["sha256"]: sizes[file["role"]] for file in files}

    assert {file["path"]: sizes[file["role"]] for file in files} == checkpoint.PUBLISHED
    assert digests == checkpoint.DIGESTS | {"unknown": (1024, 1024)}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda state: state.pop("attention0.lthreshold"), "missing: attention0.lthreshold"),
        (lambda state: state.update(more=torch.zeros(1)), "unknown: more"),
        (
            lambda state: state.update({"decoder.conv5.conv.weight": torch.zeros(1, 64, 1, 1)}),
            "of another shape: decoder.conv5.conv.weight",
        ),
    ],
)
def test_weights_that_do_not_fit_are_refused(converted, tmp_path, change, reason):
    state = load_file(converted)
    change(state)
    path = tmp_path / "other.safetensors"
    save_file(state, path)

    with pytest.raises(WeightsInvalid, match=reason):
        load(path, SMALL)


def test_values_beyond_half_precision_are_not_written(converted, tmp_path):
    state = load_file(converted)
    state["attention0.threshold"] = torch.tensor([1e5])
    path = tmp_path / "large.safetensors"
    save_file(state, path, metadata={"base_size": "64x64"})

    with pytest.raises(WeightsInvalid, match=r"attention0\.threshold are out of its range"):
        convert(path, tmp_path / "half.safetensors", dtype="fp16")


def test_a_truncated_file_says_so(converted, tmp_path):
    path = tmp_path / "cut.safetensors"
    shutil.copyfile(converted, path)
    with path.open("r+b") as file:
        file.truncate(1_000_000)

    with pytest.raises(WeightsInvalid, match="cut"):
        load(path, SMALL)


def test_a_converted_file_converts_again_with_its_own_base_size(converted, tmp_path):
    convert(converted, tmp_path / "full.safetensors")

    assert stated_base_size(tmp_path / "full.safetensors") == SMALL
    load(tmp_path / "full.safetensors", SMALL)
