"""A GGUF file may store what is no matrix of a linear layer in any type, and patches flattened."""

from __future__ import annotations

import gguf
import numpy as np
import pytest
import torch
from diffusers import WanTransformer3DModel

from models.errors import WeightsInvalid
from models.wan.loading import transformer
from models.wan.variants import WAN2_2_I2V
from tests.models.wan.loading.test_gguf import predicted, relative_error
from tests.models.wan.spelling import denoiser_spelling
from tests.models.wan.tiny import DENOISER, seeded

PATCHES = "patch_embedding.weight"
BOUNDS = {"F32": 1e-6, "F16": 1e-3, "BF16": 0.01, "Q8_0": 0.01, "Q5_0": 0.08, "Q4_0": 0.15}
"""Largest relative error of a prediction, per type in which the patch embedding is stored."""


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "transformer"


def original():
    return seeded("transformer", lambda: WanTransformer3DModel(**DENOISER)).eval()


def write(folder, kinds, shapes=None, spelling=denoiser_spelling):
    """Write the twin with some tensors in other types or shapes, the rest as F32."""
    model, folder_shapes = original(), shapes or {}
    model.save_config(folder)
    writer = gguf.GGUFWriter(folder / "tiny.gguf", "wan")
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    for name, tensor in model.state_dict().items():
        array = tensor.numpy().reshape(folder_shapes.get(name, tensor.shape))
        kind = gguf.GGMLQuantizationType[kinds.get(name, "F32")]
        stored = gguf.quants.quantize(np.ascontiguousarray(array), kind)
        writer.add_tensor(spelling(name), stored, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


WIDTH, CHANNELS = DENOISER["num_attention_heads"] * DENOISER["attention_head_dim"], 36
WHOLE = (WIDTH, CHANNELS, 1, 2, 2)
FLATTENED = {
    "four sides": (WIDTH * CHANNELS, 1, 2, 2),
    "without the frame": (WIDTH, CHANNELS, 2, 2),
    "matrix": (WIDTH, CHANNELS * 4),
    "row": (WIDTH * CHANNELS * 4,),
}


@pytest.mark.parametrize("prefix", ["", "model.diffusion_model."])
@pytest.mark.parametrize("shape", [WHOLE, *FLATTENED.values()], ids=["whole", *FLATTENED])
@pytest.mark.parametrize("kind", ["F32", "F16", "BF16"])
def test_the_patch_embedding_of_an_i2v_file_may_have_any_shape(folder, kind, shape, prefix):
    write(
        folder,
        {PATCHES: kind},
        {PATCHES: shape},
        lambda name: prefix + denoiser_spelling(name),
    )

    model, _ = transformer.load(folder, WAN2_2_I2V, torch.float32)

    assert model.patch_embedding.weight.shape == WHOLE
    assert relative_error(predicted(model), predicted(original())) < BOUNDS[kind]


@pytest.mark.parametrize("kind", ["Q8_0", "Q5_0", "Q4_0"])
def test_a_quantized_patch_embedding_is_dequantized(folder, kind):
    write(folder, {PATCHES: kind}, {PATCHES: FLATTENED["row"]})

    model, label = transformer.load(folder, WAN2_2_I2V, torch.bfloat16)

    ours = model.patch_embedding.weight.float()
    assert label == f"GGUF {kind}"
    assert relative_error(ours, original().patch_embedding.weight) < BOUNDS[kind]
    model, _ = transformer.load(folder, WAN2_2_I2V, torch.float32)
    assert 0 < relative_error(predicted(model), predicted(original())) < BOUNDS[kind]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_every_tensor_may_be_bf16(folder, dtype):
    write(folder, dict.fromkeys(original().state_dict(), "BF16"))
    exact = transformer_of_bf16().to(dtype)

    model, _ = transformer.load(folder, WAN2_2_I2V, dtype)

    source = torch.Generator().manual_seed(7)
    inputs = {
        "hidden_states": torch.randn(1, 36, 3, 8, 8, generator=source).to(dtype),
        "timestep": torch.tensor([700]),
        "encoder_hidden_states": torch.randn(1, 512, 32, generator=source).to(dtype),
    }
    with torch.no_grad():
        ours, theirs = (one(**inputs).sample.float() for one in (model, exact))
    assert relative_error(ours, theirs) < 0.01


def transformer_of_bf16():
    model = original()
    for parameter in model.parameters():
        parameter.data = parameter.data.bfloat16().float()
    return model


@pytest.mark.parametrize(
    "shape",
    [(CHANNELS, WIDTH, 1, 2, 2), (WIDTH * 2, CHANNELS * 2), (2, 2, 1, CHANNELS, WIDTH), (144, 32)],
)
def test_a_patch_embedding_in_another_order_is_rejected(folder, shape):
    write(folder, {}, {PATCHES: shape})

    with pytest.raises(WeightsInvalid, match=r"tiny.gguf"):
        transformer.load(folder, WAN2_2_I2V, torch.bfloat16)
