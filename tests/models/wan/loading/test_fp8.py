"""A denoiser from ComfyUI's scaled fp8 file, and the image encoder that ComfyUI publishes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from diffusers import WanTransformer3DModel
from safetensors.torch import load_file, save_file

import models.wan
from models.errors import WeightsInvalid
from models.wan.loading import pipeline, transformer
from models.wan.variants import WAN2_1_I2V, WAN2_2_I2V
from tests.models.wan.loading.test_gguf import predicted, relative_error
from tests.models.wan.tiny import DENOISERS, seeded, tiny_weights, write_denoiser

CONFIGS = Path(models.wan.__file__).parent / "configs" / "wan2.1-i2v-480p"
KINDS = {"wan2.1": WAN2_1_I2V, "wan2.2": WAN2_2_I2V}


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "transformer"
    path.mkdir()
    return path


def written(folder, kind):
    """Write a tiny denoiser as scaled fp8; return the one it was made of."""
    write_denoiser(folder, DENOISERS[kind], "fp8")
    return seeded("transformer", lambda: WanTransformer3DModel(**DENOISERS[kind])).eval()


@pytest.mark.parametrize("kind", KINDS)
def test_a_scaled_fp8_denoiser_predicts_nearly_the_same_as_its_original(folder, kind):
    original = written(folder, kind)

    model, label = transformer.load(folder, KINDS[kind], torch.float32)

    assert label == "fp8 -> float32"
    distance = relative_error(predicted(model, kind=kind), predicted(original, kind=kind))
    assert 0 < distance < 0.1


def test_matrices_get_the_requested_type_and_norms_stay_float32(folder):
    written(folder, "wan2.1")

    model, _ = transformer.load(folder, WAN2_1_I2V, torch.bfloat16)

    types = {name: tensor.dtype for name, tensor in model.named_parameters()}
    assert types["blocks.0.attn1.to_q.weight"] == torch.bfloat16
    assert types["blocks.0.norm2.weight"] == torch.float32
    assert types["scale_shift_table"] == torch.float32
    assert not any(tensor.is_meta for tensor in (*model.parameters(), *model.buffers()))


def test_changed_layers_are_read_again_from_the_file(folder):
    written(folder, "wan2.1")
    model, _ = transformer.load(folder, WAN2_1_I2V, torch.float32)
    expected = predicted(model, kind="wan2.1")
    model.blocks[0].attn1.to_q.weight.data.add_(1)

    transformer.reload_layers(model, folder, {"blocks.0.attn1.to_q"})

    assert torch.equal(predicted(model, kind="wan2.1"), expected)


def test_a_matrix_without_its_scale_is_refused(folder):
    written(folder, "wan2.1")
    (path,) = folder.glob("*.safetensors")
    state = load_file(path)
    del state["blocks.0.self_attn.q.scale_weight"]
    save_file(state, path)

    with pytest.raises(WeightsInvalid, match=r"no scale for blocks\.0\.self_attn\.q\.weight"):
        transformer.load(folder, WAN2_1_I2V, torch.bfloat16)


def test_the_image_encoder_of_comfyui_loads_like_that_of_the_hub(tmp_path):
    """It is in float16, has the projection and the position ids too, and no metadata."""
    folder = tiny_weights(tmp_path, "wan2.1", "fp8")
    (path,) = (folder / "image_encoder").glob("*.safetensors")
    published = load_file(path)
    extra = {
        "visual_projection.weight": torch.zeros(8, 32),
        "vision_model.embeddings.position_ids": torch.arange(5)[None],
    }
    save_file({name: one.half() for name, one in published.items()} | extra, path)

    loaded = pipeline.load(folder, WAN2_1_I2V, dtype=torch.float32)

    encoder = loaded.pipe.image_encoder
    for name, tensor in encoder.state_dict().items():
        key = name if name in published else f"vision_model.{name}"
        assert torch.allclose(tensor, published[key], atol=1e-3), name
    assert loaded.formats["experts"] == "fp8 -> float32"


def test_the_configuration_in_the_project_describes_wan_2_1():
    config = json.loads((CONFIGS / "transformer" / "config.json").read_text())

    with torch.device("meta"):
        model = WanTransformer3DModel.from_config(config)

    assert sum(one.numel() for one in model.parameters()) == 16_394_878_784
