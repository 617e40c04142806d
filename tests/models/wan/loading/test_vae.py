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


def through(model):
    """A clip of noise, encoded and decoded."""
    clip = torch.rand(1, 3, 5, 32, 32, generator=torch.Generator().manual_seed(3)) * 2 - 1
    with torch.no_grad():
        return model.decode(model.encode(clip).latent_dist.mode()).sample


def test_the_single_file_gives_what_its_original_gives_exactly(single):
    original = seeded("vae", lambda: AutoencoderKLWan(**VAE)).half().float().eval()

    model, said = vae.load(single, WAN2_2_I2V)

    assert said == "float32, out of one file"
    assert {tensor.dtype for tensor in model.parameters()} == {torch.float32}
    assert torch.equal(through(model), through(original))


@pytest.mark.parametrize(
    ("config", "variant"), [(VAE, WAN2_2_I2V), (VAE_5B, WAN2_2_TI2V_5B)], ids=["14b", "5b"]
)
def test_diffusers_own_layout_loads_as_float32(tmp_path, config, variant):
    write_vae(tmp_path, config, "diffusers")
    original = seeded("vae", lambda: AutoencoderKLWan(**config)).eval()

    model, said = vae.load(tmp_path, variant)

    assert said == "float32"
    assert torch.equal(through(model), through(original))


def test_the_single_file_is_loaded_without_the_network(single, monkeypatch):
    def unreachable(*_args):
        raise AssertionError("the loader went to the network")

    monkeypatch.setattr(socket.socket, "connect", unreachable)
    monkeypatch.setattr(socket, "getaddrinfo", unreachable)

    vae.load(single, WAN2_2_I2V)


def test_a_missing_config_is_an_error_and_not_a_request(single):
    (single / "config.json").unlink()

    with pytest.raises(WeightsInvalid, match=r"config.json cannot be read"):
        vae.load(single, WAN2_2_I2V)


def test_the_vae_of_the_14b_models_is_refused_by_the_5b(single):
    with pytest.raises(WeightsInvalid, match=r"16 latent channels at 1/8 .* has 48 at 1/16"):
        vae.load(single, WAN2_2_TI2V_5B)


def test_a_file_with_a_lost_tensor_is_refused(single):
    state = load_file(single / SINGLE)
    state.pop("decoder.middle.0.residual.2.weight")
    save_file(state, single / SINGLE)

    with pytest.raises(WeightsInvalid, match=r"missing: decoder.mid_block.resnets.0.conv1.weight"):
        vae.load(single, WAN2_2_I2V)


def test_a_file_of_another_width_is_refused(single):
    config = json.loads((single / "config.json").read_text())
    (single / "config.json").write_text(json.dumps(config | {"base_dim": 4}))

    with pytest.raises(
        WeightsInvalid, match=r"wan_2.1_vae.safetensors does not fit.*another shape"
    ):
        vae.load(single, WAN2_2_I2V)


def test_a_file_that_is_cut_short_is_named(single):
    whole = (single / SINGLE).read_bytes()
    (single / SINGLE).write_bytes(whole[:-10])

    with pytest.raises(WeightsInvalid, match=r"wan_2.1_vae.safetensors is cut short"):
        vae.load(single, WAN2_2_I2V)


def test_a_folder_without_weights_is_named(single):
    (single / SINGLE).unlink()

    with pytest.raises(WeightsInvalid, match=r"holds no weights"):
        vae.load(single, WAN2_2_I2V)
