"""A checkpoint that PyTorch reads, and no network can use, is refused in one sentence."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from models.checkpoints import load_into, read_tensors
from models.errors import WeightsInvalid
from models.kokoro import network
from models.kokoro.chunking import MAX_PHONEMES
from models.kokoro.voices import STYLE, Voices
from models.latentsync.loading import checkpoint

ONE = torch.ones(3)
NAMES = [("weight", 1), 7, None, b"weight", ((("a",),),)]
TENSORS = {
    "has no values": torch.ones(3, device="meta"),
    "is sparse": torch.ones(3).to_sparse(),
    "has complex numbers": torch.ones(3, dtype=torch.complex64),
}
"""Each by what the error says of it."""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "weights.pth"


def refusal(read, content, path):
    """The message with which a reader refuses a file of this content."""
    torch.save(content, path)
    with pytest.raises(WeightsInvalid) as refused:
        read(path)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("name", NAMES, ids=repr)
def test_a_name_that_is_no_text_is_refused(path, name):
    for content in ({name: ONE}, {"state_dict": {"weight": ONE, name: ONE}}):
        assert "is the name of one of its tensors" in refusal(read_tensors, content, path)


@pytest.mark.parametrize("what", TENSORS)
def test_a_tensor_without_ordinary_values_is_refused(path, what):
    content = {"bias": ONE, "weight": TENSORS[what]}

    assert what in refusal(read_tensors, content, path)
    assert what in refusal(lambda path: load_into(nn.BatchNorm1d(3), path), content, path)


def test_two_names_that_a_prefix_makes_one_are_refused(path):
    assert "differ only" in refusal(read_tensors, {"module.a": ONE, "a": ONE}, path)


def test_tensors_that_share_their_values_are_read(path):
    torch.save({"a": ONE, "b": ONE, "ids": torch.arange(5).expand(1, -1)}, path)

    assert read_tensors(path).keys() == {"a", "b", "ids"}


@pytest.mark.parametrize("name", NAMES, ids=repr)
def test_a_file_of_whisper_with_other_names_is_refused(path, name):
    content = {"dims": {"n_mels": 80}, "model_state_dict": {name: ONE}}

    assert "is the name of one" in refusal(checkpoint.load_audio, content, path)


@pytest.mark.parametrize("size", [-1, 0, 10**12, 1.5, "80", True, None])
def test_a_file_of_whisper_of_an_odd_size_is_refused(path, size):
    sizes = dict.fromkeys(["n_mels", "n_audio_ctx", "n_audio_state", "n_audio_layer"], 4)
    content = {
        "dims": sizes | {"n_audio_head": size},
        "model_state_dict": {"encoder.conv1.weight": ONE},
    }

    assert "n_audio_head" in refusal(checkpoint.load_audio, content, path)


@pytest.mark.parametrize("content", [{("a",): {"b": ONE}}, {"a": {("b",): ONE}}], ids=repr)
def test_a_checkpoint_of_kokoro_with_other_names_is_refused(path, content):
    read = lambda path: network._load_into(nn.Linear(1, 1), path)  # noqa: E731

    assert "is the name of one of its tensors" in refusal(read, content, path)


def test_a_voice_of_kokoro_without_values_is_refused(tmp_path):
    voices = Voices(tmp_path)
    pack = torch.ones(MAX_PHONEMES, 1, STYLE, device="meta")

    what = refusal(lambda path: voices._read(path.stem), pack, tmp_path / "af_heart.pt")

    assert "has no values" in what
