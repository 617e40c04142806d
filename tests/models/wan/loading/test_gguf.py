import json
import shutil
import socket

import gguf
import numpy as np
import pytest
import torch
from diffusers import WanTransformer3DModel
from diffusers.quantizers.gguf.utils import GGUFParameter, dequantize_gguf_tensor
from safetensors.torch import load_file, save_file

from models.errors import WeightsInvalid
from models.wan.loading import transformer
from models.wan.variants import WAN2_1_I2V, WAN2_2_I2V, WAN2_2_TI2V_5B
from tests.models.wan.spelling import denoiser_spelling
from tests.models.wan.tiny import DENOISER, DENOISERS, seeded, write_denoiser, write_gguf

KINDS = {"wan2.1": WAN2_1_I2V, "wan2.2": WAN2_2_I2V, "ti2v": WAN2_2_TI2V_5B}


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "transformer"


def predicted(model, *, kind="wan2.2"):
    """One prediction of a denoiser for fixed inputs."""
    source = torch.Generator().manual_seed(7)

    def noise(*shape):
        return torch.randn(*shape, generator=source)

    image = noise(1, 17, 32) if kind == "wan2.1" else None
    with torch.no_grad():
        return model(
            hidden_states=noise(1, DENOISERS[kind]["in_channels"], 3, 8, 8),
            timestep=torch.tensor([700]),
            encoder_hidden_states=noise(1, 512, 32),
            encoder_hidden_states_image=image,
            return_dict=False,
        )[0]


def relative_error(one, other):
    return ((one - other).norm() / other.norm()).item()


def gguf_file(folder):
    return next(folder.glob("*.gguf"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("form", "bound"), [("gguf-q8_0", 0.006), ("gguf-q5_0", 0.05)])
def test_a_quantized_denoiser_predicts_nearly_the_same_as_its_original(folder, kind, form, bound):
    write_denoiser(folder, DENOISERS[kind], form)
    original = seeded("transformer", lambda: WanTransformer3DModel(**DENOISERS[kind])).eval()

    model, label = transformer.load(folder, KINDS[kind], torch.float32)

    assert label == "GGUF " + form.removeprefix("gguf-").upper()
    distance = relative_error(predicted(model, kind=kind), predicted(original, kind=kind))
    assert 0 < distance < bound


def test_matrices_stay_quantized_and_norms_stay_float32(folder):
    write_denoiser(folder, DENOISER, "gguf-q5_0")

    model, _ = transformer.load(folder, WAN2_2_I2V, torch.bfloat16)

    types = {name: tensor.dtype for name, tensor in model.named_parameters()}
    assert types["blocks.0.attn1.to_q.weight"] == torch.uint8
    assert types["blocks.0.norm2.weight"] == torch.float32
    assert types["scale_shift_table"] == torch.float32
    assert types["blocks.0.attn1.to_q.bias"] == torch.bfloat16


@pytest.mark.parametrize(
    "spelling",
    [lambda name: name, lambda name: "model.diffusion_model." + denoiser_spelling(name)],
    ids=["diffusers", "prefixed"],
)
def test_tensor_names_of_every_publisher_load_the_same(folder, spelling):
    write_denoiser(folder, DENOISER, "gguf-q8_0")
    expected, _ = transformer.load(folder, WAN2_2_I2V, torch.float32)
    state = seeded("transformer", lambda: WanTransformer3DModel(**DENOISER)).state_dict()

    write_gguf(gguf_file(folder), state, "Q8_0", spelling)
    model, _ = transformer.load(folder, WAN2_2_I2V, torch.float32)

    assert torch.equal(predicted(model), predicted(expected))


def test_loading_makes_no_network_request(folder, monkeypatch):
    write_denoiser(folder, DENOISER, "gguf-q5_0")

    def unreachable(*_args):
        raise AssertionError("the loader went to the network")

    monkeypatch.setattr(socket.socket, "connect", unreachable)
    monkeypatch.setattr(socket, "getaddrinfo", unreachable)

    transformer.load(folder, WAN2_2_I2V, torch.bfloat16)


@pytest.mark.parametrize("form", ["gguf-q8_0", "bf16"])
def test_a_wan2_1_file_with_a_wan2_2_config_is_rejected(folder, form):
    write_denoiser(folder, DENOISERS["wan2.1"], form)
    WanTransformer3DModel(**DENOISER).save_config(folder)

    with pytest.raises(WeightsInvalid, match=r"has an image branch .* Wan2\.1 file"):
        transformer.load(folder, WAN2_2_I2V, torch.bfloat16)


@pytest.mark.parametrize("form", ["gguf-q8_0", "bf16"])
def test_a_wan2_2_file_with_a_wan2_1_config_is_rejected(folder, form):
    write_denoiser(folder, DENOISER, form)
    WanTransformer3DModel(**DENOISERS["wan2.1"]).save_config(folder)

    with pytest.raises(WeightsInvalid, match=r"has no image branch"):
        transformer.load(folder, WAN2_1_I2V, torch.bfloat16)


def test_an_expert_with_the_wan2_1_configuration_is_rejected(folder):
    write_denoiser(folder, DENOISERS["wan2.1"], "gguf-q8_0")

    with pytest.raises(WeightsInvalid, match=r"config.json describes an image branch.*wan2\.2-i2v"):
        transformer.load(folder, WAN2_2_I2V, torch.bfloat16)


def test_the_config_of_a_text_to_video_model_is_rejected(folder):
    write_denoiser(folder, DENOISER | {"in_channels": 16}, "gguf-q8_0")

    with pytest.raises(WeightsInvalid, match=r"in_channels 16, but wan2.2-i2v has 36"):
        transformer.load(folder, WAN2_2_I2V, torch.bfloat16)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"in_channels": 16}, "has 16 input channels and a width of 32.* 36 and 32"),
        ({"num_attention_heads": 4}, "has 36 input channels and a width of 64.* 36 and 32"),
        ({"ffn_dim": 96}, "of another shape: blocks.0.ffn"),
        ({"num_layers": 1}, "missing: blocks.1"),
        ({"num_layers": 3}, "unknown: blocks.2"),
    ],
    ids=["channels", "width", "feed-forward", "short", "long"],
)
@pytest.mark.parametrize("form", ["gguf-q8_0", "bf16"])
def test_the_file_of_another_model_is_rejected(folder, form, other, message):
    write_denoiser(folder, DENOISER | other, form)
    WanTransformer3DModel(**DENOISER).save_config(folder)

    with pytest.raises(WeightsInvalid, match=message):
        transformer.load(folder, WAN2_2_I2V, torch.bfloat16)


@pytest.mark.parametrize("share", [0.999, 0.5, 0.01])
def test_a_truncated_file_is_rejected(folder, share):
    write_denoiser(folder, DENOISER, "gguf-q8_0")
    whole = gguf_file(folder).read_bytes()
    gguf_file(folder).write_bytes(whole[: int(len(whole) * share)])

    with pytest.raises(WeightsInvalid, match=r"tiny-Q8_0.gguf is truncated or damaged"):
        transformer.load(folder, WAN2_2_I2V, torch.bfloat16)


def test_a_web_page_is_named_as_such(folder):
    write_denoiser(folder, DENOISER, "gguf-q8_0")
    gguf_file(folder).write_text("<!DOCTYPE html><title>Not found</title>")

    with pytest.raises(WeightsInvalid, match=r"tiny-Q8_0.gguf is a web page"):
        transformer.load(folder, WAN2_2_I2V, torch.bfloat16)


def test_a_file_without_tensors_is_rejected(folder):
    write_denoiser(folder, DENOISER, "gguf-q8_0")
    write_gguf(gguf_file(folder), {}, "Q8_0")

    with pytest.raises(WeightsInvalid, match=r"tiny-Q8_0.gguf has no tensors"):
        transformer.load(folder, WAN2_2_I2V, torch.bfloat16)


def test_a_config_that_is_no_object_is_rejected(folder):
    write_denoiser(folder, DENOISER, "gguf-q8_0")
    (folder / "config.json").write_text("[]")

    with pytest.raises(WeightsInvalid, match=r"config.json is .*a JSON object was expected"):
        transformer.load(folder, WAN2_2_I2V, torch.bfloat16)


def test_two_weight_files_are_rejected(folder):
    write_denoiser(folder, DENOISER, "gguf-q8_0")
    shutil.copy(gguf_file(folder), folder / "another.gguf")

    with pytest.raises(
        WeightsInvalid, match=r"several weight files .another.gguf, tiny-Q8_0.gguf.: remove"
    ):
        transformer.load(folder, WAN2_2_I2V, torch.bfloat16)


def test_two_formats_are_rejected(folder):
    write_denoiser(folder, DENOISER, "bf16")
    write_denoiser(folder, DENOISER, "gguf-q8_0")

    with pytest.raises(WeightsInvalid, match=r"has both tiny-Q8_0.gguf and diffusion_pytorch"):
        transformer.load(folder, WAN2_2_I2V, torch.bfloat16)


def test_a_folder_without_weights_is_named(folder):
    write_denoiser(folder, DENOISER, "gguf-q8_0")
    gguf_file(folder).unlink()

    with pytest.raises(WeightsInvalid, match=r"transformer has no weights: pull"):
        transformer.load(folder, WAN2_2_I2V, torch.bfloat16)


def test_a_pickle_file_is_ignored(folder):
    write_denoiser(folder, DENOISER, "gguf-q8_0")
    gguf_file(folder).unlink()
    state = seeded("transformer", lambda: WanTransformer3DModel(**DENOISER)).state_dict()
    torch.save(state, folder / "diffusion_pytorch_model.bin")

    with pytest.raises(WeightsInvalid, match=r"has no weights"):
        transformer.load(folder, WAN2_2_I2V, torch.bfloat16)


def test_shards_are_cast_except_for_what_must_stay_float32(folder):
    write_denoiser(folder, DENOISER, "bf16")

    model, label = transformer.load(folder, WAN2_2_I2V, torch.bfloat16)

    types = {name: tensor.dtype for name, tensor in model.named_parameters()}
    assert label == "bfloat16"
    assert types["blocks.0.attn1.to_q.weight"] == torch.bfloat16
    assert types["blocks.0.norm2.weight"] == torch.float32
    assert types["condition_embedder.time_embedder.linear_1.weight"] == torch.float32


def test_a_missing_shard_of_the_index_is_named(folder):
    write_denoiser(folder, DENOISER, "bf16")
    lost = sorted(folder.glob("*-00002-of-*.safetensors"))[0]
    lost.unlink()

    with pytest.raises(WeightsInvalid, match=rf"{lost.name} is missing"):
        transformer.load(folder, WAN2_2_I2V, torch.bfloat16)


def test_an_index_that_lists_nothing_is_rejected(folder):
    write_denoiser(folder, DENOISER, "bf16")
    index = folder / "diffusion_pytorch_model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}}))

    with pytest.raises(WeightsInvalid, match=r"index.json lists no shards"):
        transformer.load(folder, WAN2_2_I2V, torch.bfloat16)


def test_a_truncated_shard_is_named(folder):
    write_denoiser(folder, DENOISER, "bf16")
    shard = sorted(folder.glob("*-00001-of-*.safetensors"))[0]
    shard.write_bytes(shard.read_bytes()[:-64])

    with pytest.raises(WeightsInvalid, match=rf"{shard.name} is truncated or damaged"):
        transformer.load(folder, WAN2_2_I2V, torch.bfloat16)


def test_a_shard_without_one_of_its_tensors_is_rejected(folder):
    write_denoiser(folder, DENOISER, "bf16")
    shard = sorted(folder.glob("*-00001-of-*.safetensors"))[0]
    state = load_file(shard)
    lost = sorted(state)[0]
    save_file({name: one for name, one in state.items() if name != lost}, shard)

    with pytest.raises(WeightsInvalid, match=f"missing: {lost}"):
        transformer.load(folder, WAN2_2_I2V, torch.bfloat16)


@pytest.mark.parametrize(("kind", "bytes_per_block"), [("Q4_K", 144), ("Q6_K", 210)])
def test_the_types_of_a_q4_k_m_file_are_dequantized_as_ggml_defines(kind, bytes_per_block):
    """gguf cannot quantize to these types, so the blocks are random bytes with finite scales."""
    quantized = gguf.GGMLQuantizationType[kind]
    blocks = np.random.default_rng(1).integers(0, 256, (6, bytes_per_block), np.uint8)
    scales = slice(0, 4) if kind == "Q4_K" else slice(208, 210)
    blocks[:, scales] = np.full((6, 2 if kind == "Q4_K" else 1), 0.01, np.float16).view(np.uint8)

    ours = dequantize_gguf_tensor(GGUFParameter(torch.from_numpy(blocks), quant_type=quantized))

    expected = gguf.quants.dequantize(blocks, quantized)
    assert np.allclose(ours.numpy().reshape(-1), expected.reshape(-1), rtol=1e-2, atol=1e-3)
