"""The error for a broken weights file names the file and the reason, whatever is wrong with it."""

from __future__ import annotations

import pickle
import random
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from safetensors.torch import save
from torch import nn

from models.checkpoints import load_into, read_tensors
from models.errors import WeightsInvalid

STATE = nn.BatchNorm2d(3).state_dict()


def saved(content, path, **options):
    torch.save(content, path, **options)
    return path.read_bytes()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "weights of a model.pth"


@pytest.fixture
def network():
    return nn.BatchNorm2d(3)


NOT_A_CHECKPOINT = {
    "html": (b"<!DOCTYPE html><html>not here</html>", "web page"),
    "empty": (b"", "cut short"),
    "a line of text": (b"hello\n", "neither safetensors nor a PyTorch file"),
    "a Git LFS pointer": (b"version https://git-lfs.github.com/spec/v1\n", "not a readable"),
    "code in a pickle": (pickle.dumps({"state_dict": Path}, protocol=2), "not a readable"),
}
WRONG_CONTENT = {
    "key missing": ({"weight": STATE["weight"]}, "missing: bias, running_mean, running_var"),
    "key too many": (STATE | {"extra": torch.zeros(1)}, "unknown: extra"),
    "other shape": (STATE | {"bias": torch.zeros(4)}, "another shape: bias"),
    "no tensors": ({"state_dict": {"a": 1}}, "contains no weights"),
    "many keys": (
        {f"layer{n}.weight": torch.zeros(1) for n in range(9)},
        r"layer3\.weight and 5 more",
    ),
}


@pytest.mark.parametrize("case", NOT_A_CHECKPOINT)
def test_the_error_for_a_file_that_is_not_a_checkpoint_names_the_reason(path, case):
    content, reason = NOT_A_CHECKPOINT[case]
    path.write_bytes(content)

    with pytest.raises(WeightsInvalid, match=reason) as error:
        read_tensors(path)

    assert "weights of a model.pth" in str(error.value)


@pytest.mark.parametrize("case", WRONG_CONTENT)
def test_the_error_for_a_checkpoint_of_another_network_names_the_tensors(path, network, case):
    content, reason = WRONG_CONTENT[case]
    saved(content, path)

    with pytest.raises(WeightsInvalid, match=reason):
        load_into(network, path)


def test_the_error_for_a_missing_file_names_it():
    with pytest.raises(WeightsInvalid, match=r"/nowhere/weights\.pth cannot be read"):
        read_tensors(Path("/nowhere/weights.pth"))


@pytest.mark.filterwarnings("ignore:Detected pickle protocol:UserWarning")
def test_every_damaged_file_raises_weights_invalid(path):
    state = OrderedDict((f"layer{n}.weight", torch.ones(5, 5)) for n in range(4))
    whole = [
        saved(state, path),
        saved(state, path, _use_new_zipfile_serialization=False),
        save(dict(state)),
    ]
    chance = random.Random(7)
    refused = 0

    for n in range(600):
        damaged = bytearray(whole[n % 3])
        for _ in range(chance.randint(1, 4)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        path.write_bytes(damaged[: chance.choice([None, chance.randrange(len(damaged))])])
        try:
            read_tensors(path)
        except WeightsInvalid:
            refused += 1

    assert refused > 300
