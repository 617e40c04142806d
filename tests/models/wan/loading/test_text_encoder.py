import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, UMT5EncoderModel

from models.errors import WeightsInvalid
from models.wan.loading import text_encoder
from tests.models.wan.tiny import write_text_encoder, write_tokenizer

FP8 = "umt5_xxl_fp8_e4m3fn_scaled.safetensors"
MATRIX = "encoder.block.0.layer.0.SelfAttention.k"


@pytest.fixture
def scaled(tmp_path):
    folder = tmp_path / "scaled"
    write_text_encoder(folder, "fp8")
    return folder


@pytest.fixture
def library_layout(tmp_path):
    folder = tmp_path / "library_layout"
    write_text_encoder(folder, "diffusers")
    return folder


def change_file(folder, change):
    """Rewrite the fp8 file after a change to its tensors."""
    state = load_file(folder / FP8)
    change(state)
    save_file(state, folder / FP8)


def encoded(model):
    tokens = torch.tensor([[5, 17, 40, 61, 1]])
    with torch.no_grad():
        return model(tokens).last_hidden_state.float()


def test_the_scaled_fp8_file_encodes_nearly_the_same_as_the_original(scaled, library_layout):
    original, plain = text_encoder.load(library_layout, torch.float32)

    model, label = text_encoder.load(scaled, torch.float32)

    distance = (encoded(model) - encoded(original)).norm() / encoded(original).norm()
    assert (plain, label) == ("float32", "fp8 -> float32")
    assert 0 < distance < 0.08


def test_each_scale_is_multiplied_into_its_matrix(scaled):
    state = load_file(scaled / FP8)
    expected = state[f"{MATRIX}.weight"].float() * state[f"{MATRIX}.scale_weight"]

    model, _ = text_encoder.load(scaled, torch.float32)

    assert torch.equal(model.get_parameter(f"{MATRIX}.weight"), expected)


@pytest.mark.parametrize("form", ["scaled", "library_layout"])
def test_all_tensors_have_one_type_and_the_embedding_is_shared(form, request):
    model, _ = text_encoder.load(request.getfixturevalue(form), torch.bfloat16)

    assert {tensor.dtype for tensor in model.parameters()} == {torch.bfloat16}
    assert model.encoder.embed_tokens.weight is model.shared.weight
    assert not model.training


def test_the_other_name_of_scales_is_supported(scaled):
    expected = encoded(text_encoder.load(scaled, torch.float32)[0])

    def rename(state):
        for name in [name for name in state if name.endswith(".scale_weight")]:
            stem = name.removesuffix("scale_weight")
            state[f"{stem}weight_scale"] = state.pop(name)
            state[f"{stem}input_scale"] = torch.tensor(3.0)

    change_file(scaled, rename)

    assert torch.equal(encoded(text_encoder.load(scaled, torch.float32)[0]), expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop(f"{MATRIX}.scale_weight"), f"no scale for {MATRIX}.weight"),
        (lambda state: state.pop(f"{MATRIX}.weight"), f"missing: {MATRIX}.weight"),
        (lambda state: state.update(odd=torch.zeros(2)), "unknown: odd"),
        (
            lambda state: state.update({f"{MATRIX}.weight": torch.zeros(2, 2)}),
            rf"of another shape: {MATRIX}.weight \(2, 2\) instead of \(32, 32\)",
        ),
    ],
    ids=["scale", "missing", "unknown", "shape"],
)
def test_a_file_that_does_not_fit_is_rejected_with_the_tensor_name(scaled, change, message):
    change_file(scaled, change)

    with pytest.raises(WeightsInvalid, match=rf"{FP8}.*{message}"):
        text_encoder.load(scaled, torch.bfloat16)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"<html>", "is a web page"), (b"\x08\0\0\0", "is truncated or damaged")],
)
def test_an_unreadable_file_is_named(scaled, content, message):
    (scaled / FP8).write_bytes(content)

    with pytest.raises(WeightsInvalid, match=f"{FP8} {message}"):
        text_encoder.load(scaled, torch.bfloat16)


def test_a_shard_without_one_of_its_tensors_is_rejected(library_layout):
    shard = sorted(library_layout.glob("model-00001*.safetensors"))[0]
    state = load_file(shard)
    lost = next(name for name in sorted(state) if "shared" not in name)
    save_file({name: one for name, one in state.items() if name != lost}, shard, {"format": "pt"})

    with pytest.raises(WeightsInvalid, match=f"missing: {lost}"):
        text_encoder.load(library_layout, torch.bfloat16)


def test_weights_of_another_network_are_rejected(library_layout):
    config = json.loads((library_layout / "config.json").read_text())
    (library_layout / "config.json").write_text(json.dumps(config | {"num_layers": 1}))

    with pytest.raises(WeightsInvalid, match=r"unknown: encoder.block.1"):
        text_encoder.load(library_layout, torch.bfloat16)


def test_the_library_layout_loads_as_with_transformers(library_layout):
    model, _ = text_encoder.load(library_layout, torch.float32)

    assert torch.equal(encoded(model), encoded(UMT5EncoderModel.from_pretrained(library_layout)))


def test_a_folder_without_weights_is_named(scaled):
    (scaled / FP8).unlink()

    with pytest.raises(WeightsInvalid, match=r"has no weights"):
        text_encoder.load(scaled, torch.bfloat16)


def test_the_tokenizer_keeps_its_normalization_whatever_class_its_config_names(tmp_path):
    write_tokenizer(tmp_path)
    path = tmp_path / "tokenizer_config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | {"tokenizer_class": "T5Tokenizer", "extra_ids": 0}))

    tokenizer = text_encoder.load_tokenizer(tmp_path)

    full_width = "a cat\uff0c the wind\uff01"
    assert tokenizer(full_width).input_ids == tokenizer("a cat, the wind!").input_ids
    assert tokenizer.unk_token_id not in tokenizer(full_width).input_ids
    assert tokenizer.pad_token == "<pad>"
    rebuilt = AutoTokenizer.from_pretrained(tmp_path)
    assert rebuilt(full_width).input_ids != tokenizer(full_width).input_ids


def test_a_tokenizer_that_is_a_web_page_is_named_as_such(tmp_path):
    write_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_text("<html></html>")

    with pytest.raises(WeightsInvalid, match=r"tokenizer.json is a web page"):
        text_encoder.load_tokenizer(tmp_path)
