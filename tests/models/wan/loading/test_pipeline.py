import json
import shutil
import socket

import numpy as np
import pytest
import torch
from PIL import Image

from models.errors import WeightsInvalid
from models.wan.loading.pipeline import load
from models.wan.variants import WAN2_1_I2V, WAN2_2_I2V, WAN2_2_TI2V_5B
from tests.models.wan.tiny import tiny_weights

VARIANTS = {"wan2.1": WAN2_1_I2V, "wan2.2": WAN2_2_I2V, "ti2v": WAN2_2_TI2V_5B}
GGUF = {"form": "gguf-q5_0", "text": "fp8"}
FORMS = {
    "wan2.1-bf16": ("wan2.1", {}),
    "wan2.1-gguf": ("wan2.1", GGUF),
    "wan2.2-bf16": ("wan2.2", {}),
    "wan2.2-gguf": ("wan2.2", GGUF | {"vae": "single", "lora": "pair"}),
    "ti2v-bf16": ("ti2v", {}),
    "ti2v-gguf": ("ti2v", GGUF),
}


@pytest.fixture(scope="module")
def views(tmp_path_factory):
    """Weights of each variant and format. Tests do not write into them."""
    root = tmp_path_factory.mktemp("views")
    return {
        name: tiny_weights(root / name, kind, **options) for name, (kind, options) in FORMS.items()
    }


@pytest.fixture
def view(views, tmp_path):
    """A function that copies one folder of weights, for tests that change it."""

    def copy(name):
        return shutil.copytree(views[name], tmp_path / name)

    return copy


def generate(pipe, *, seed=1):
    image = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    pipe.set_progress_bar_config(disable=True)
    return pipe(
        Image.fromarray(image),
        "the cat looks around",
        height=64,
        width=64,
        num_frames=5,
        num_inference_steps=2,
        generator=torch.Generator().manual_seed(seed),
    ).frames


@pytest.mark.parametrize("name", FORMS)
def test_every_format_of_every_variant_generates_a_clip(views, name):
    kind, options = FORMS[name]

    loaded = load(views[name], VARIANTS[kind])

    clip = generate(loaded.pipe)
    assert clip.shape == (1, 5, 64, 64, 3)
    assert np.isfinite(clip).all()
    assert loaded.quantized == ("form" in options)
    assert len(loaded.experts) == (2 if kind == "wan2.2" else 1)


def test_the_pipeline_is_complete_frozen_and_on_the_cpu(views):
    pipe = load(views["wan2.1-bf16"], WAN2_1_I2V).pipe

    networks = [part for part in pipe.components.values() if isinstance(part, torch.nn.Module)]
    assert len(networks) == 4
    assert not any(network.training for network in networks)
    assert {tensor.device.type for network in networks for tensor in network.parameters()} == {
        "cpu"
    }
    assert not any(tensor.requires_grad for one in networks for tensor in one.parameters())


def test_each_component_has_its_precision(views):
    pipe = load(views["wan2.1-bf16"], WAN2_1_I2V).pipe

    assert pipe.transformer.dtype == torch.bfloat16
    assert pipe.text_encoder.dtype == torch.bfloat16
    assert pipe.vae.dtype == torch.float32
    assert pipe.image_encoder.dtype == torch.float32


def test_the_formats_of_the_components_are_recorded(views):
    formats = load(views["wan2.2-gguf"], WAN2_2_I2V).formats

    assert formats == {
        "experts": "GGUF Q5_0",
        "text_encoder": "fp8 -> bfloat16",
        "vae": "float32, single file",
    }


def test_the_pipeline_has_the_settings_of_its_variant(views):
    two = load(views["wan2.2-bf16"], WAN2_2_I2V).pipe
    small = load(views["ti2v-bf16"], WAN2_2_TI2V_5B).pipe

    assert (two.config.boundary_ratio, two.config.expand_timesteps) == (0.9, False)
    assert (small.config.boundary_ratio, small.config.expand_timesteps) == (None, True)
    assert small.vae_scale_factor_spatial == 16


@pytest.mark.parametrize("name", ["wan2.1-gguf", "wan2.2-gguf", "ti2v-bf16"])
def test_loading_downloads_nothing(views, name, monkeypatch):
    def unreachable(*_args, **_options):
        raise AssertionError("the loader went to the network")

    monkeypatch.setattr(socket.socket, "connect", unreachable)
    monkeypatch.setattr(socket, "getaddrinfo", unreachable)
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.invalid")

    load(views[name], VARIANTS[FORMS[name][0]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"boundary_ratio": 0.875}, r"boundary_ratio 0\.875, but wan2\.2-i2v has 0\.9"),
        ({"boundary_ratio": None}, r"boundary_ratio None, but wan2\.2-i2v has 0\.9"),
        ({"expand_timesteps": True}, "expand_timesteps True, but wan2.2-i2v has False"),
        ({"transformer_2": [None, None]}, "transformer_2 False, but wan2.2-i2v has True"),
        ({"image_encoder": ["transformers", "CLIPVisionModel"]}, "image_encoder True"),
    ],
    ids=["boundary", "no-boundary", "expand", "one-expert", "image"],
)
def test_the_index_of_another_model_is_rejected(view, change, message):
    folder = view("wan2.2-bf16")
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps(index | change))

    with pytest.raises(WeightsInvalid, match=rf"model_index.json has {message}"):
        load(folder, WAN2_2_I2V)


@pytest.mark.parametrize("name", ["wan2.2-bf16", "wan2.2-gguf"])
def test_the_same_weights_for_both_experts_are_rejected(view, name):
    folder = view(name)
    shutil.rmtree(folder / "transformer_2")
    shutil.copytree(folder / "transformer", folder / "transformer_2")
    for path in folder.glob("*/*HighNoise*"):
        path.rename(path.with_name("expert.gguf"))

    with pytest.raises(WeightsInvalid, match=r"transformer_2 has the same weights as"):
        load(folder, WAN2_2_I2V)


def test_swapped_experts_are_rejected_by_their_file_names(view):
    folder = view("wan2.2-gguf")
    high, low = (next((folder / one).glob("*.gguf")) for one in ("transformer", "transformer_2"))
    low.rename(folder / "transformer" / low.name)
    high.rename(folder / "transformer_2" / high.name)

    with pytest.raises(WeightsInvalid, match=r"LowNoise-Q5_0.gguf belongs to the other expert"):
        load(folder, WAN2_2_I2V)


@pytest.mark.parametrize(
    "path",
    [
        "model_index.json",
        "scheduler/scheduler_config.json",
        "transformer/config.json",
        "text_encoder/config.json",
        "tokenizer/tokenizer.json",
        "vae/config.json",
        "image_encoder/config.json",
        "image_processor/preprocessor_config.json",
    ],
)
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "cannot be read: No such file"),
        (lambda path: path.write_text("<!doctype html>"), "is a web page"),
        (lambda path: path.write_text('{"_class_name": '), "is truncated or damaged"),
    ],
    ids=["missing", "page", "cut"],
)
def test_a_config_that_is_missing_or_damaged_is_named(view, path, damage, message):
    folder = view("wan2.1-bf16")
    damage(folder / path)

    with pytest.raises(WeightsInvalid, match=f"{path} {message}"):
        load(folder, WAN2_1_I2V)


def test_an_image_encoder_without_weights_is_named(view):
    folder = view("wan2.1-bf16")
    (folder / "image_encoder" / "model.safetensors").unlink()

    with pytest.raises(WeightsInvalid, match=r"image_encoder has no weights"):
        load(folder, WAN2_1_I2V)


def test_a_truncated_image_encoder_is_named(view):
    folder = view("wan2.1-bf16")
    path = folder / "image_encoder" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-8])

    with pytest.raises(WeightsInvalid, match=r"model.safetensors is truncated"):
        load(folder, WAN2_1_I2V)
