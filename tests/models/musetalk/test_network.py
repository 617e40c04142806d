"""The autoencoder and the U-Net: loaded strictly, run in one pass."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from structlog.testing import capture_logs

from models.errors import OutputInvalid, WeightsInvalid
from models.musetalk import audio, loading, precision
from models.musetalk.face import face_crop
from models.musetalk.network import MuseTalkNetwork
from models.musetalk.precision import AutoPrecision
from models.number_format_memory import NumberFormatMemory
from models.oom_batches import OomSafeBatches
from tests.models.golden import figures
from tests.models.musetalk.tiny import UNET, WIDTH

CPU = torch.device("cpu")
FACTS = figures.read("musetalk")["unet"]
PUBLISHED = UNET | {
    "block_out_channels": [320, 640, 1280, 1280],
    "cross_attention_dim": 384,
    "attention_head_dim": 8,
    "norm_num_groups": 32,
}


@pytest.fixture(scope="module")
def network(tiny):
    return MuseTalkNetwork(tiny, CPU, torch.float32)


@pytest.fixture(scope="module")
def crops():
    return [figures.frame(256, 256, k) for k in (1, 2, 3)]


@pytest.fixture(scope="module")
def features():
    return figures.u(3 * 50 * WIDTH, 4).reshape(3, 50, WIDTH).astype(np.float32)


def test_the_published_configuration_gives_the_published_network():
    with torch.device("meta"):
        state = UNet2DConditionModel.from_config(PUBLISHED).state_dict()

    keys = sorted(state)
    assert len(keys) == FACTS["state_dict_entries"]
    assert sum(tensor.numel() for tensor in state.values()) == FACTS["parameters"]
    assert keys[:6] == FACTS["first_keys"]
    assert keys[-6:] == FACTS["last_keys"]
    assert list(state["conv_in.weight"].shape) == FACTS["conv_in"]
    assert list(state["conv_out.weight"].shape) == FACTS["conv_out"]
    to_k = [list(state[key].shape) for key in keys if key.endswith("attn2.to_k.weight")]
    assert to_k[:3] == FACTS["cross_attn_to_k"]


@torch.inference_mode()
def test_latents_equal_those_of_diffusers(network, tiny, crops):
    vae = AutoencoderKL.from_pretrained(tiny / "vae").eval()
    pair = torch.from_numpy(face_crop.masked_and_whole(crops[1]))

    found = network.encode(crops)

    expected = vae.encode(pair).latent_dist.mode() * 0.18215
    assert found.shape == (3, 8, 32, 32)
    assert torch.allclose(found[1], expected.reshape(8, 32, 32), atol=1e-5)


@torch.inference_mode()
def test_faces_equal_those_of_diffusers(network, tiny, crops, features):
    vae = AutoencoderKL.from_pretrained(tiny / "vae").eval()
    unet = UNet2DConditionModel.from_config(UNET).eval()
    unet.load_state_dict(torch.load(tiny / "unet/unet.pth"))
    latents = network.encode(crops)

    found = network.generate(latents, features)

    encoded = torch.from_numpy(features + audio.positional_encoding(50, WIDTH))
    output = vae.decode(unet(latents, 0, encoder_hidden_states=encoded).sample / 0.18215).sample
    expected = np.round((output / 2 + 0.5).clamp(0, 1).numpy() * 255).transpose(0, 2, 3, 1)
    assert [picture.shape for picture in found] == [(256, 256, 3)] * 3
    assert np.abs(np.stack(found)[..., ::-1] - expected).max() <= 1


def test_half_precision_gives_nearly_the_same_faces(network, tiny, crops, features):
    half = MuseTalkNetwork(tiny, CPU, torch.bfloat16)

    found = np.stack(half.generate(half.encode(crops), features)).astype(float)

    assert half.precision == "bfloat16"
    whole = np.stack(network.generate(network.encode(crops), features))
    assert np.abs(found - whole).mean() < 8


def test_the_error_for_a_missing_tensor_names_it(tiny, tmp_path):
    state = torch.load(tiny / "unet/unet.pth")
    del state["conv_in.weight"]
    torch.save(state, tmp_path / "unet.pth")
    (tmp_path / "musetalk.json").write_text(json.dumps(UNET))

    with pytest.raises(WeightsInvalid, match=r"unet.pth.*missing: conv_in.weight"):
        loading.unet(tmp_path, CPU, torch.float32)


def test_the_error_for_a_broken_configuration_names_it(tmp_path):
    (tmp_path / "musetalk.json").write_text("<html>")

    with pytest.raises(WeightsInvalid, match=r"musetalk\.json"):
        loading.unet(tmp_path, CPU, torch.float32)


@pytest.mark.parametrize("broken", ["cut", "empty", "incomplete", "absent"])
def test_the_error_for_a_broken_autoencoder_names_it(tiny, tmp_path, broken):
    file = "diffusion_pytorch_model.safetensors"
    whole = (tiny / "vae" / file).read_bytes()
    (tmp_path / "config.json").write_bytes((tiny / "vae/config.json").read_bytes())
    if broken == "cut":
        (tmp_path / file).write_bytes(whole[:5000])
    elif broken == "empty":
        (tmp_path / file).write_bytes(b"")
    elif broken == "incomplete":
        vae = AutoencoderKL.from_pretrained(tiny / "vae")
        del vae.decoder.conv_out
        vae.save_pretrained(tmp_path)

    with pytest.raises(WeightsInvalid, match=str(tmp_path)):
        loading.vae(tmp_path, CPU, torch.float32)


def test_tensor_names_of_2022_are_converted(tiny, tmp_path):
    names = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    state = load_file(tiny / "vae/diffusion_pytorch_model.safetensors")
    old = {}
    for name, tensor in state.items():
        found = next((new for new in names if new in name), "")
        old[name.replace(found, names.get(found, ""))] = tensor
    save_file(old, tmp_path / "diffusion_pytorch_model.safetensors")
    (tmp_path / "config.json").write_bytes((tiny / "vae/config.json").read_bytes())

    found = loading.vae(tmp_path, CPU, torch.float32).state_dict()

    assert "decoder.mid_block.attentions.0.query.weight" in old
    assert all(torch.equal(found[name], state[name]) for name in state)


def test_an_encoder_of_another_width_is_refused(network):
    with pytest.raises(WeightsInvalid, match="384"):
        network.require_width(384)


class Overflowing(torch.nn.Module):
    """Gives infinity in half precision, as the autoencoder does on some cards."""

    def __init__(self, always=False):
        super().__init__()
        self.factor = torch.nn.Parameter(torch.full((1,), torch.inf if always else 300.0))

    def forward(self, x):
        return x * self.factor


def test_a_network_that_overflows_switches_to_float32():
    part = AutoPrecision(Overflowing().half(), "VAE")
    x = torch.full((1,), 300.0)

    with capture_logs() as logs:
        output = [part(lambda network, x: network(x), x) for _ in range(2)]

    assert [y.item() for y in output] == [90_000, 90_000]
    assert part.dtype == torch.float32
    assert [entry["network"] for entry in logs] == ["VAE"]


def test_weights_that_give_infinity_in_float32_are_refused():
    part = AutoPrecision(Overflowing(always=True), "VAE")

    with pytest.raises(OutputInvalid, match="VAE"):
        part(lambda network, x: network(x), torch.ones(1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_number_format_on_a_cpu_is_the_remembered_one(monkeypatch, tmp_path, dtype):
    monkeypatch.setenv("KINOMILL_NUMBER_FORMAT_CACHE", str(tmp_path))
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True})
    NumberFormatMemory(tmp_path).write("musetalk", dtype)

    assert precision.select_dtype(CPU) == dtype


def test_a_batch_is_halved_when_memory_runs_out():
    sizes = []

    def run(first, second):
        sizes.append(len(first))
        if len(first) > 2:
            raise torch.OutOfMemoryError
        return [a + b for a, b in zip(first, second, strict=True)]

    batches = OomSafeBatches(8)
    output = batches(run, list(range(10)), [100] * 10)

    assert output == [100 + n for n in range(10)]
    assert sizes == [8, 4, 2, 2, 2, 2, 2]
    assert batches.batch_size == 2


def test_out_of_memory_with_a_batch_of_one_is_an_error():
    def run(first, second):
        raise torch.OutOfMemoryError

    with pytest.raises(torch.OutOfMemoryError):
        OomSafeBatches(4)(run, [1, 2], [1, 2])
