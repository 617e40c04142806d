"""A LoRA changes a denoiser by the same amount in whatever spelling it was stored."""

from __future__ import annotations

import json
import re

import pytest
import torch
from diffusers import WanTransformer3DModel
from safetensors.torch import load_file, save_file

from models.errors import WeightsInvalid
from models.wan.loading.loaded import LoadedPipeline, LoraSpec
from models.wan.lora import adapters, layer_names, lora_file
from models.wan.variants import WAN2_1_I2V
from tests.models.wan.spelling import denoiser_spelling
from tests.models.wan.tiny import DENOISER, DENOISERS, seeded

RANK = 4


class Pipe:
    """The part of a pipeline that LoRAs use: its denoiser."""

    def __init__(self, transformer):
        self.transformer = transformer

    def unload_lora_weights(self):
        self.transformer.unload_lora()


def denoiser(config=DENOISERS["wan2.1"]):
    return seeded("spellings", lambda: WanTransformer3DModel(**config)).eval()


def linear_layers(model):
    return {
        name: layer
        for name, layer in model.named_modules()
        if "blocks." in name and isinstance(layer, torch.nn.Linear)
    }


@pytest.fixture(scope="module")
def pairs():
    """Name of each layer -> its two matrices."""
    return seeded(
        "pairs",
        lambda: {
            name: (torch.randn(RANK, one.in_features), torch.randn(one.out_features, RANK) * 0.1)
            for name, one in linear_layers(denoiser()).items()
        },
    )


def predicted(model):
    source = torch.Generator().manual_seed(7)
    image = torch.randn(1, 17, 32, generator=source) if model.config.image_dim else None
    with torch.no_grad():
        return model(
            hidden_states=torch.randn(1, 36, 3, 8, 8, generator=source),
            timestep=torch.tensor([700]),
            encoder_hidden_states=torch.randn(1, 512, 32, generator=source),
            encoder_hidden_states_image=image,
            return_dict=False,
        )[0]


def changed(changes, model=None):
    """A denoiser whose parameters were changed directly."""
    model = model or denoiser()
    for name, change in changes.items():
        model.get_parameter(name).data.add_(change)
    return model


def products(pairs, scale=1.0):
    return {f"{name}.weight": scale * up @ down for name, (down, up) in pairs.items()}


def applied(path, model=None, strength=1.0):
    """A denoiser with the LoRA of a file, loaded as a worker loads it."""
    folder = path.parent / "view"
    (folder / "lora").mkdir(parents=True, exist_ok=True)
    path.rename(folder / "lora" / "one.safetensors")
    model = model or denoiser()
    loaded = LoadedPipeline(Pipe(model), WAN2_1_I2V, folder, quantized=False, formats={})
    adapters.apply(loaded, [LoraSpec("one", strength)])
    return loaded


def assert_equal(loaded, expected):
    ours, theirs = predicted(loaded.pipe.transformer), predicted(expected)
    assert ((ours - theirs).norm() / theirs.norm()).item() < 1e-5
    assert ((theirs - predicted(denoiser(dict(expected.config)))).norm() > 0.01).item()


def theirs(name):
    return denoiser_spelling(f"{name}.").removesuffix(".")


def flat(name):
    return theirs(name).replace(".", "_")


A_B = ("lora_A.weight", "lora_B.weight")
DOWN_UP = ("lora_down.weight", "lora_up.weight")
SPELLINGS = {
    "bare": (lambda name: theirs(name), A_B),
    "diffsynth": (lambda name: theirs(name), ("lora_A.default.weight", "lora_B.default.weight")),
    "bare, down and up": (lambda name: theirs(name), DOWN_UP),
    "comfyui": (lambda name: f"diffusion_model.{theirs(name)}", DOWN_UP),
    "comfyui, A and B": (lambda name: f"diffusion_model.{theirs(name)}", A_B),
    "comfyui, whole model": (lambda name: f"model.diffusion_model.{theirs(name)}", DOWN_UP),
    "peft": (lambda name: f"base_model.model.{theirs(name)}", A_B),
    "peft of diffusers": (lambda name: f"base_model.model.{name}", A_B),
    "diffusers": (lambda name: f"transformer.{name}", A_B),
    "old diffusers": (
        lambda name: f"transformer.{name}",
        ("lora.down.weight", "lora.up.weight"),
    ),
    "diffusers, bare": (lambda name: name, A_B),
    "kohya": (lambda name: f"lora_unet_{flat(name)}", DOWN_UP),
    "kohya, two underscores": (lambda name: f"lora_unet__{flat(name)}", DOWN_UP),
    "kohya, A and B": (lambda name: f"lora_unet_{flat(name)}", A_B),
    "kohya of diffusers": (lambda name: f"lora_unet_{name.replace('.', '_')}", DOWN_UP),
    "onetrainer": (lambda name: f"lora_transformer_{name.replace('.', '_')}", DOWN_UP),
    "lycoris": (lambda name: f"lycoris_{flat(name)}", DOWN_UP),
}


def stored(path, pairs, label="comfyui", alpha=None, metadata=None):
    spell, parts = SPELLINGS[label]
    state = {}
    for name, matrices in pairs.items():
        for part, matrix in zip(parts, matrices, strict=True):
            state[f"{spell(name)}.{part}"] = matrix.contiguous()
        if alpha is not None:
            state[f"{spell(name)}.alpha"] = torch.tensor(float(alpha))
    save_file(state, path, metadata)
    return path


@pytest.mark.parametrize("label", SPELLINGS)
@pytest.mark.parametrize("alpha", [None, 1])
def test_every_spelling_changes_the_denoiser_by_alpha_over_rank(tmp_path, pairs, label, alpha):
    path = stored(tmp_path / "one.safetensors", pairs, label, alpha)

    expected = changed(products(pairs, 1.0 if alpha is None else alpha / RANK))

    assert_equal(applied(path), expected)


def test_layers_of_different_ranks_keep_their_scale(tmp_path, pairs):
    mixed = {
        name: (down[: 1 + index % RANK], up[:, : 1 + index % RANK])
        for index, (name, (down, up)) in enumerate(pairs.items())
    }

    assert_equal(applied(stored(tmp_path / "one.safetensors", mixed)), changed(products(mixed)))


@pytest.mark.parametrize(
    ("config", "scale"),
    [
        ({"r": RANK, "lora_alpha": 2}, 2 / RANK),
        ({"r": RANK, "lora_alpha": 2, "use_rslora": True}, 2 / RANK**0.5),
    ],
)
def test_the_alpha_in_the_metadata_of_diffusers_counts(tmp_path, pairs, config, scale):
    content = {f"transformer.{key}": value for key, value in config.items()}
    metadata = {"lora_adapter_metadata": json.dumps(content)}
    path = stored(tmp_path / "one.safetensors", pairs, "diffusers", metadata=metadata)

    assert_equal(applied(path), changed(products(pairs, scale)))


def test_changes_of_norms_biases_patches_and_whole_matrices_count_with_their_strength(tmp_path):
    model = denoiser()
    parameters = {
        "blocks.0.attn1.norm_q.weight": "blocks.0.self_attn.norm_q.diff",
        "blocks.1.norm2.weight": "blocks.1.norm3.diff",
        "blocks.1.norm2.bias": "blocks.1.norm3.diff_b",
        "blocks.0.attn1.to_q.bias": "blocks.0.self_attn.q.diff_b",
        "blocks.0.ffn.net.2.weight": "blocks.0.ffn.2.diff",
        "proj_out.weight": "head.head.diff",
        "patch_embedding.weight": "patch_embedding.diff",
        "scale_shift_table": "head.modulation.diff",
        "condition_embedder.time_proj.bias": "time_projection.1.diff_b",
    }
    changes = seeded(
        "diffs",
        lambda: {name: torch.randn(model.get_parameter(name).shape) * 0.1 for name in parameters},
    )
    path = tmp_path / "one.safetensors"
    save_file({f"diffusion_model.{parameters[name]}": one for name, one in changes.items()}, path)

    loaded = applied(path, strength=0.5)

    assert_equal(loaded, changed({name: 0.5 * one for name, one in changes.items()}))
    before = {name: one.clone() for name, one in model.named_parameters()}
    adapters.unload(loaded)
    after = dict(loaded.pipe.transformer.named_parameters())
    assert all(torch.equal(after[name], one) for name, one in before.items())


def test_a_text_to_video_lora_leaves_the_channels_of_the_image_as_they_are(tmp_path, pairs):
    path = stored(tmp_path / "one.safetensors", pairs)
    state = lora_state(path)
    diff = torch.randn(32, 16, 1, 2, 2) * 0.1
    save_file(state | {"diffusion_model.patch_embedding.diff": diff}, path)
    whole = torch.cat([diff, torch.zeros(32, 20, 1, 2, 2)], dim=1)

    expected = changed(products(pairs) | {"patch_embedding.weight": whole})

    assert_equal(applied(path), expected)


def test_a_lora_of_wan2_1_is_counted_without_its_image_branch_on_wan2_2(tmp_path, pairs):
    path = stored(tmp_path / "one.safetensors", pairs, "kohya", alpha=2)
    rest = {name: pair for name, pair in pairs.items() if ".add_" not in name}
    assert len(rest) < len(pairs)

    loaded = applied(path, denoiser(DENOISER))

    assert_equal(loaded, changed(products(rest, 0.5), denoiser(DENOISER)))


def test_a_file_with_both_experts_gives_each_its_own(tmp_path, pairs):
    path = tmp_path / "one.safetensors"
    state = {}
    for component, sign in (("transformer", 1.0), ("transformer_2", -1.0)):
        for name, (down, up) in pairs.items():
            state[f"{component}.{name}.lora_A.weight"] = down.clone()
            state[f"{component}.{name}.lora_B.weight"] = up * sign
    save_file(state, path)
    key = "blocks.0.attn1.to_q.lora_B.weight"

    fitted = [lora_file.read(path, denoiser(), one).matrices for one in adapters.TRANSFORMERS]

    assert torch.equal(fitted[0][key], -fitted[1][key])
    assert len(fitted[0]) == 2 * len(pairs)


def lora_state(path):
    return {key: one.clone() for key, one in load_file(path).items()}


FFN_UP = "diffusion_model.blocks.0.ffn.0.lora_up.weight"


def without_up(state):
    return {key: one for key, one in state.items() if key != FFN_UP}


def renamed(old, new):
    return lambda state: {key.replace(old, new): one for key, one in state.items()}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            renamed("blocks.1.", "blocks.7."),
            r"12 of its 24 .* unknown: blocks\.7\..*8 more",
        ),
        (without_up, r"23 of its 24 layers do; .*blocks\.0\.ffn\.0 \(one of its two"),
        (
            lambda state: (
                state | {"diffusion_model.blocks.0.ffn.0.lora_up.weight": torch.ones(3, 4)}
            ),
            r"23 of its 24 .*\(3, 4\) x \(4, 32\) instead of 64 x 32",
        ),
        (
            lambda state: state | {"diffusion_model.blocks.0.ffn.0.dora_scale": torch.ones(64)},
            r"24 of its 25 layers do; unknown: blocks\.0\.ffn\.0\.dora_scale",
        ),
        (
            lambda state: state | {"diffusion_model.blocks.0.self_attn.q.diff_b": torch.ones(3)},
            r"its bias has the shape \(3,\)",
        ),
        (lambda state: state | {"lora_te_layer.lora_up.weight": torch.ones(3)}, r"24 of its 25"),
        (renamed("lora_up.weight", "lokr_w1"), r"0 of its 48 layers do; unknown: .*lokr_w1"),
    ],
    ids=["blocks", "half", "shape", "dora", "bias", "text-encoder", "lokr"],
)
def test_a_lora_that_fits_by_half_is_rejected_with_counts(tmp_path, pairs, change, reason):
    path = stored(tmp_path / "one.safetensors", pairs)
    state = lora_state(path)
    save_file(change(state), path)

    with pytest.raises(WeightsInvalid, match=reason) as rejected:
        applied(path)

    assert str(rejected.value).startswith("lora/one.safetensors does not fit transformer: ")
    assert str(tmp_path) not in str(rejected.value)


def test_the_reason_is_bounded(tmp_path):
    path = tmp_path / "one.safetensors"
    save_file({f"{'x' * 5000}{number}": torch.ones(1) for number in range(500)}, path)

    with pytest.raises(
        WeightsInvalid, match=r"0 of its 500 layers do; unknown: x.* and 496 more"
    ) as bad:
        lora_file.read(path, denoiser(), "transformer")

    assert len(str(bad.value)) < 700


@pytest.mark.parametrize("kind", DENOISERS)
def test_every_layer_of_a_denoiser_has_its_own_names(kind):
    model = denoiser(DENOISERS[kind])
    names = layer_names.layers(model)

    own = [name for name in names.values() if re.search(r"\w", name)]

    assert set(own) == {
        name for name, one in model.named_modules() if one._parameters.get("weight") is not None
    } | {name for name, _ in model.named_parameters() if name.endswith("scale_shift_table")}
    for name in set(own):
        assert names[theirs(name) if name != "scale_shift_table" else "head.modulation"] == name
