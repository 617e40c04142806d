"""No index in a folder of weights leads a library out of it, whichever it reads first."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import save_file
from transformers import WhisperConfig, WhisperModel

from models import pretrained
from models.errors import WeightsInvalid
from models.wan.loading import layout

LEAVING = (
    "../outside.safetensors",
    "/etc/passwd",
    "a/b.st",
    "",
    "a\0b",
    "..",
    "\u2024\u2024/a",
    "a\n",
)
SIZES = {
    **{f"{part}_layers": 1 for part in ("encoder", "decoder")},
    **{f"{part}_attention_heads": 2 for part in ("encoder", "decoder")},
    **{f"{part}_ffn_dim": 16 for part in ("encoder", "decoder")},
    **{"d_model": 16, "vocab_size": 60, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2},
}


def write_index(folder, names, file="model.safetensors.index.json"):
    weight_map = {str(number): name for number, name in enumerate(names)}
    (folder / file).write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))


@pytest.mark.parametrize("name", LEAVING)
@pytest.mark.parametrize("file", ["model.safetensors.index.json", "pytorch_model.bin.index.json"])
def test_an_index_cannot_lead_out_of_its_folder(tmp_path, name, file):
    write_index(tmp_path, ["model-1.safetensors", name], file)

    for look in (pretrained.check_folder, layout.library_files):
        with pytest.raises(WeightsInvalid, match="is not a name of a file"):
            look(tmp_path)


def test_transformers_reads_no_file_of_another_folder(tmp_path):
    """It opens whatever its index names."""
    folder = tmp_path / "whisper"
    network = WhisperModel(WhisperConfig(decoder_start_token_id=1, **SIZES))
    network.save_pretrained(folder)
    (folder / "model.safetensors").rename(tmp_path / "other.safetensors")
    weight_map = dict.fromkeys(network.state_dict(), "../other.safetensors")
    index = {"metadata": {"total_size": 1}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))

    with pytest.raises(WeightsInvalid, match="is not a name of a file"):
        pretrained.load(WhisperModel, folder, dtype=torch.float32)


def test_a_file_that_is_read_first_does_not_hide_an_index(tmp_path):
    """transformers never looks at the files of diffusers, which come first here."""
    save_file({"w": torch.zeros(1)}, tmp_path / "diffusion_pytorch_model.safetensors")
    write_index(tmp_path, ["../outside.safetensors"])

    with pytest.raises(WeightsInvalid, match="is not a name of a file"):
        layout.library_files(tmp_path)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"weight_map": []}', '{"weight_map": {}}', "[" * 100_000, "\udcff"]
)
def test_a_damaged_index_is_told_in_words(tmp_path, text):
    path = tmp_path / "model.safetensors.index.json"
    path.write_bytes(text.encode(errors="surrogateescape"))

    with pytest.raises(WeightsInvalid, match="download it again"):
        pretrained.check_folder(tmp_path)


def test_a_link_to_nothing_is_told_in_words(tmp_path):
    (tmp_path / "model.safetensors").symlink_to(tmp_path / "gone")

    with pytest.raises(WeightsInvalid, match=r"model.safetensors cannot be loaded"):
        layout.library_files(tmp_path)


def test_shards_of_the_folder_are_listed_once(tmp_path):
    names = ["model-2.safetensors", "model-1.safetensors", "model-1.safetensors"]
    write_index(tmp_path, names)

    found = pretrained.shards_of(tmp_path / "model.safetensors.index.json")

    assert found == ["model-1.safetensors", "model-2.safetensors"]
