"""The network with weights by formula gives the authors' figures."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
from diffusers import UNetMotionModel

from models.errors import WeightsInvalid
from models.latentsync import unet
from tests.models.golden import figures
from tests.models.latentsync.formula import FACTS, array, positions, tiny_unet, unet_state

GOLDEN = FACTS["unet"]
TOLERANCE = 2e-5
PUBLISHED = {"cross_attention_dim": 384}


@pytest.fixture(scope="module")
def network():
    return tiny_unet()


@pytest.fixture(scope="module")
def inputs():
    facts = GOLDEN["inputs"]
    audio = array(facts["encoder_hidden_states"])
    audio[: len(audio) // 2] = 0
    return {
        "sample": array(facts["sample"]),
        "timestep": facts["timestep"],
        "audio": audio,
    }


def original_name(name):
    """The published name of a tensor of diffusers."""
    if ".motion_modules." not in name:
        return name
    head, _, rest = name.partition(".motion_modules.")
    index, _, rest = rest.partition(".")
    for own, published in (
        ("attn1.", "attention_blocks.0."),
        ("attn2.", "attention_blocks.1."),
        ("norm1.", "norms.0."),
        ("norm2.", "norms.1."),
        ("norm3.", "ff_norm."),
        ("pos_embed.pe", "attention_blocks.0.pos_encoder.pe"),
    ):
        rest = rest.replace(f"transformer_blocks.0.{own}", f"transformer_blocks.0.{published}")
    return f"{head}.motion_modules.{index}.temporal_transformer.{rest}"


def published_shapes(config):
    """Every tensor of a published file by name, on the device meta."""
    with torch.device("meta"):
        state = unet.build(config).network.state_dict()
    shapes = {original_name(name): tensor for name, tensor in state.items()}
    copies = {
        name.replace("attention_blocks.0.pos", "attention_blocks.1.pos"): tensor
        for name, tensor in shapes.items()
        if name.endswith("pos_encoder.pe")
    }
    return shapes | copies


def lines(shapes):
    return [f"{name} {'x'.join(map(str, t.shape))}" for name, t in sorted(shapes.items())]


def test_the_weights_by_formula_are_those_of_the_figures():
    state = unet_state()

    for check in GOLDEN["fill_spot_checks"]:
        found = state[check["name"]].flatten()
        assert np.abs(found[:4].numpy() - check["first4"]).max() < 1e-6
        assert abs(float(found.double().sum()) - check["sum"]) < 1e-4


@torch.inference_mode()
def test_the_output_is_that_of_the_authors(network, inputs):
    figures.assert_like(network(**inputs), GOLDEN["output"], atol=TOLERANCE)


@torch.inference_mode()
def test_inner_blocks_are_those_of_the_authors(network, inputs):
    found = {}

    def keep(name):
        def hook(_module, _inputs, output):
            found[name] = output[0] if isinstance(output, tuple) else output

        return hook

    handles = [
        network.network.get_submodule(name).register_forward_hook(keep(name))
        for name in GOLDEN["blocks"]
    ]
    network(**inputs)
    for handle in handles:
        handle.remove()

    for name, facts in GOLDEN["blocks"].items():
        output = found[name]
        if output.dim() == 4:
            output = output.unflatten(0, (2, -1)).transpose(1, 2)
        values = output.double().flatten()
        assert list(output.shape) == facts["shape"], name
        assert abs(float(values.mean()) - facts["mean"]) < TOLERANCE, name
        assert np.abs(values[:4].numpy() - facts["first4"]).max() < TOLERANCE, name
        assert np.abs(values[-2:].numpy() - facts["last2"]).max() < TOLERANCE, name


@pytest.mark.parametrize("kept", ["clip", "frame"])
@torch.inference_mode()
def test_with_either_norm_of_diffusers_the_output_is_wrong(inputs, kept):
    """They run without an error, and are off by a thousand tolerances."""
    network = tiny_unet()
    cls = unet.ClipNorm if kept == "clip" else unet.FrameNorm
    for module in network.modules():
        if isinstance(module, cls):
            module.__class__ = torch.nn.GroupNorm

    output = network(**inputs)

    golden = GOLDEN["output"]
    samples = output.flatten()[golden["sample_flat_index"]].numpy()
    assert np.abs(samples - golden["sample_value"]).max() > 1000 * TOLERANCE


def test_the_published_configuration_gives_the_published_names_and_shapes():
    golden = FACTS["published_unet"]
    shapes = published_shapes(PUBLISHED)

    text = "".join(f"{line}\n" for line in lines(shapes))
    buffers = [t for name, t in shapes.items() if name.endswith("pos_encoder.pe")]
    assert len(shapes) == golden["entries"]
    assert hashlib.sha256(text.encode()).hexdigest() == golden["keys_sha256"]
    assert sum(t.numel() for t in shapes.values()) == golden["elements_with_buffers"]
    assert sum(t.numel() for t in buffers) == golden["buffer_elements"]


def test_the_names_of_the_figures_are_loaded():
    text = "".join(f"{line}\n" for line in sorted(GOLDEN["keys"]))

    assert len(GOLDEN["keys"]) == GOLDEN["entries"]
    assert hashlib.sha256(text.encode()).hexdigest() == GOLDEN["keys_sha256"]
    assert lines(published_shapes(GOLDEN["config"])) == sorted(GOLDEN["keys"])


def test_the_positions_of_diffusers_are_the_published_ones(network):
    published = positions(GOLDEN["keys"])
    built = unet.build(GOLDEN["config"]).network.state_dict()

    for name, tensor in built.items():
        if name.endswith("pos_embed.pe"):
            assert torch.allclose(tensor, published[original_name(name)], atol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("conv_in.weight"), r"missing: conv_in\.weight"),
        (lambda s: s.update({"extra.weight": torch.zeros(1)}), r"unknown: extra\.weight"),
        (lambda s: s.update({"conv_in.bias": torch.zeros(3)}), r"another shape: conv_in\.bias"),
    ],
)
def test_a_state_that_does_not_fit_is_refused(change, message):
    state = unet_state()
    change(state)

    with pytest.raises(WeightsInvalid, match=message):
        unet.from_original(GOLDEN["config"], state)


def test_version_1_0_is_refused():
    state = {name: t for name, t in unet_state().items() if ".motion_modules." not in name}

    with pytest.raises(WeightsInvalid, match=r"1\.0.*Use the weights of version 1\.5 or 1\.6"):
        unet.from_original(GOLDEN["config"], state)


def test_an_unknown_key_of_a_configuration_is_refused():
    with pytest.raises(ValueError, match="unknown keys of the configuration: block_channels"):
        unet.build({"block_channels": 3})


@torch.inference_mode()
def test_items_of_a_batch_do_not_see_each_other(network, inputs):
    whole = network(**inputs)

    for index in range(2):
        alone = network(
            sample=inputs["sample"][index : index + 1],
            timestep=inputs["timestep"],
            audio=inputs["audio"].unflatten(0, (2, -1))[index],
        )
        assert torch.allclose(alone, whole[index : index + 1], atol=1e-5)


def test_the_stock_class_is_unchanged():
    """The norms are replaced in one network, not in the library."""
    names = {type(m) for m in UNetMotionModel(block_out_channels=(32,) * 4).modules()}

    assert not names & {unet.ClipNorm, unet.FrameNorm}
