"""Published files load strictly; any other file is refused in a sentence."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file

from models.errors import WeightsInvalid
from models.latentsync import unet
from models.latentsync.loading import checkpoint, version
from tests.models.golden import figures
from tests.models.latentsync.formula import FACTS, encoder_state, unet_state
from tests.models.latentsync.test_unet import PUBLISHED, original_name, published_shapes

CONFIG = FACTS["unet"]["config"]


@pytest.fixture(scope="module")
def state():
    return unet_state()


@pytest.fixture
def path(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    return tmp_path / "latentsync_unet.pt"


@pytest.fixture
def published(path, state):
    torch.save({"global_step": 7, "state_dict": state}, path)
    return path


def test_a_file_in_the_published_form_loads(published, state):
    network = checkpoint.load_unet(published)

    found = network.network.state_dict()
    assert torch.equal(found["conv_in.weight"], state["conv_in.weight"])
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_the_names_and_shapes_of_the_published_file_load():
    """1,246 tensors of the full size, without their values."""
    network = unet.from_original(PUBLISHED, published_shapes(PUBLISHED))

    assert len(network.network.state_dict()) == 1226


def test_a_file_of_the_full_size_loads_strictly(path):
    """Its 1,246 tensors in the published nesting, each of one value by formula."""
    path.with_name("config.json").unlink()
    shapes = {name: tensor.shape for name, tensor in published_shapes(PUBLISHED).items()}
    values = torch.from_numpy(figures.u(len(shapes), 1, 3)).float().split(1)
    state = {n: v.expand(shape) for v, (n, shape) in zip(values, shapes.items(), strict=True)}
    torch.save({"global_step": 7, "state_dict": state}, path)

    found = checkpoint.load_unet(path).network.state_dict()

    wanted = {original_name(name): tensor for name, tensor in found.items()}
    assert (len(state), len(found)) == (1246, 1226)
    assert all(torch.equal(tensor, state[name]) for name, tensor in wanted.items())
    del state["conv_out.bias"]
    torch.save({"global_step": 7, "state_dict": state}, path)
    with pytest.raises(WeightsInvalid, match=r"missing: conv_out\.bias"):
        checkpoint.load_unet(path)


def test_without_a_configuration_the_published_one_is_expected(published):
    published.with_name("config.json").unlink()

    with pytest.raises(WeightsInvalid, match=r"latentsync_unet\.pt: .*missing: down_blocks"):
        checkpoint.load_unet(published)


def test_a_file_of_version_1_0_is_refused(path, state):
    spatial = {name: tensor for name, tensor in state.items() if ".motion_modules." not in name}
    torch.save({"global_step": 7, "state_dict": spatial}, path)

    with pytest.raises(WeightsInvalid, match=r"latentsync_unet\.pt: .*temporal layers.*1\.0"):
        checkpoint.load_unet(path)


def test_a_file_that_is_cut_short_is_refused(published):
    whole = published.read_bytes()
    published.write_bytes(whole[: len(whole) // 2])

    with pytest.raises(WeightsInvalid, match=r"latentsync_unet\.pt is cut short or damaged"):
        checkpoint.load_unet(published)


def test_a_web_page_is_refused(path):
    path.write_text("<!DOCTYPE html><html>Sign in</html>")

    with pytest.raises(WeightsInvalid, match=r"latentsync_unet\.pt is a web page"):
        checkpoint.load_unet(path)


@pytest.mark.parametrize("text", ["{", "[1]", '{"block_out_channels": "x"}', '{"heads": 8}'])
def test_a_damaged_configuration_is_refused(published, text):
    published.with_name("config.json").write_text(text)

    with pytest.raises(WeightsInvalid, match=r"config\.json"):
        checkpoint.load_unet(published)


@pytest.mark.parametrize(("dtype", "share"), [("fp32", 1), ("fp16", 0.5)])
def test_a_converted_file_is_smaller_with_the_same_weights(published, state, dtype, share):
    target = published.with_name("converted.safetensors")

    checkpoint.convert(published, target, dtype=dtype)

    stored = load_file(target)
    assert stored.keys() == state.keys()
    network = checkpoint.load_unet(target)
    assert network.dtype == checkpoint.DTYPES[dtype]
    values = network.network.conv_in.weight
    assert torch.equal(values, state["conv_in.weight"].to(values.dtype))
    ratio = target.stat().st_size / published.stat().st_size
    assert abs(ratio - share) < 0.1
    assert checkpoint.source_digest(target) == checkpoint.source_digest(published)


def test_values_out_of_the_range_of_half_precision_are_refused(path, state):
    torch.save({"state_dict": state | {"conv_in.bias": state["conv_in.bias"] + 1e6}}, path)

    with pytest.raises(WeightsInvalid, match=r"conv_in\.bias are out of its range"):
        checkpoint.convert(path, path.with_name("half.safetensors"), dtype="fp16")


def test_the_file_of_the_other_version_is_refused():
    version.check_version("of an unknown file", version.V1_5)
    version.check_version(version.V1_5.sha256, version.V1_5)
    with pytest.raises(WeightsInvalid, match=r"LatentSync 1\.6 for faces of 512 pixels"):
        version.check_version(version.V1_6.sha256, version.V1_5)
    with pytest.raises(WeightsInvalid, match=r"LatentSync 1\.5 for faces of 256 pixels"):
        version.check_version(version.V1_5.sha256, version.V1_6)


def test_a_file_of_whisper_gives_its_encoder(tmp_path):
    whole = {f"encoder.{name}": tensor.half() for name, tensor in encoder_state().items()}
    whole["decoder.ln.weight"] = torch.zeros(1)
    dims = {key: FACTS["audio"]["encoder"][key] for key in FACTS["audio"]["encoder"] if "n_" in key}
    torch.save({"dims": dims, "model_state_dict": whole}, tmp_path / "tiny.pt")

    encoder = checkpoint.load_audio(tmp_path / "tiny.pt")

    assert len(encoder.layers) == 2
    assert encoder.conv1.weight.dtype == torch.float32


@pytest.mark.parametrize(
    "content",
    [
        {"model_state_dict": {"encoder.conv1.weight": torch.zeros(1)}},
        {"dims": {}, "model_state_dict": {"encoder.conv1.weight": torch.zeros(1)}},
        {"dims": {"n_mels": 80}, "model_state_dict": {}},
    ],
)
def test_a_file_that_is_not_of_whisper_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "tiny.pt")

    with pytest.raises(WeightsInvalid, match=r"tiny\.pt"):
        checkpoint.load_audio(tmp_path / "tiny.pt")
