import json
import socket

import pytest
import torch
from diffusers import AutoencoderKLWan
from safetensors.torch import load_file, save_file

from models.errors import WeightsInvalid
from models.wan.loading import vae
from models.wan.variants import WAN2_2_I2V, WAN2_2_TI2V_5B
from tests.models.wan.tiny import VAE, VAE_5B, seeded, write_vae

SINGLE = "wan_2.1_vae.safetensors"


@pytest.fixture
def single(tmp_path):
    write_vae(tmp_path, VAE, "single")
    return tmp_path


def round_trip(model):
    """Encode and decode a clip of noise."""
    clip = torch.rand(1, 3, 5, 32, 32, generator=torch.Generator().manual_seed(3)) * 2 - 1
    with torch.no_grad():
        return model.decode(model.encode(clip).latent_dist.mode()).sample


def test_the_single_file_equals_its_original(single):
    original = seeded("vae", lambda: AutoencoderKLWan(**VAE)).half().float().eval()

    model, label = vae.load(single, WAN2_2_I2V)

    assert label == "float32, single file"
    assert {tensor.dtype for tensor in model.parameters()} == {torch.float32}
    assert torch.equal(round_trip(model), round_trip(original))


@pytest.mark.parametrize(
    ("config", "variant"), [(VAE, WAN2_2_I2V), (VAE_5B, WAN2_2_TI2V_5B)], ids=["14b", "5b"]
)
def test_the_layout_of_diffusers_loads_as_float32(tmp_path, config, variant):
    write_vae(tmp_path, config, "diffusers")
    original = seeded("vae", lambda: AutoencoderKLWan(**config)).eval()

    model, label = vae.load(tmp_path, variant)

    assert label == "float32"
    assert torch.equal(round_trip(model), round_trip(original))


def test_the_single_file_is_loaded_without_the_network(single, monkeypatch):
    def unreachable(*_args):
        raise AssertionError("the loader went to the network")

    monkeypatch.setattr(socket.socket, "connect", unreachable)
    monkeypatch.setattr(socket, "getaddrinfo", unreachable)

    vae.load(single, WAN2_2_I2V)


def test_a_missing_config_is_an_error_and_not_a_network_request(single):
    (single / "config.json").unlink()

    with pytest.raises(WeightsInvalid, match=r"config.json cannot be read"):
        vae.load(single, WAN2_2_I2V)


def test_the_vae_of_the_14b_models_is_rejected_by_the_5b(single):
    with pytest.raises(WeightsInvalid, match=r"16 latent channels at 1/8 .* has 48 at 1/16"):
        vae.load(single, WAN2_2_TI2V_5B)


def test_a_file_without_one_of_its_tensors_is_rejected(single):
    state = load_file(single / SINGLE)
    state.pop("decoder.middle.0.residual.2.weight")
    save_file(state, single / SINGLE)

    with pytest.raises(WeightsInvalid, match=r"missing: decoder.mid_block.resnets.0.conv1.weight"):
        vae.load(single, WAN2_2_I2V)


def test_a_file_of_another_width_is_rejected(single):
    config = json.loads((single / "config.json").read_text())
    (single / "config.json").write_text(json.dumps(config | {"base_dim": 4}))

    with pytest.raises(
        WeightsInvalid, match=r"wan_2.1_vae.safetensors does not fit.*another shape"
    ):
        vae.load(single, WAN2_2_I2V)


def test_a_truncated_file_is_named(single):
    whole = (single / SINGLE).read_bytes()
    (single / SINGLE).write_bytes(whole[:-10])

    with pytest.raises(WeightsInvalid, match=r"wan_2.1_vae.safetensors is truncated"):
        vae.load(single, WAN2_2_I2V)


def test_a_folder_without_weights_is_named(single):
    (single / SINGLE).unlink()

    with pytest.raises(WeightsInvalid, match=r"has no weights"):
        vae.load(single, WAN2_2_I2V)
