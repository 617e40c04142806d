import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from models.errors import InputRejected, WeightsInvalid
from models.wan.loading.loaded import LoraSpec
from models.wan.loading.pipeline import load
from models.wan.lora import adapters as lora
from models.wan.variants import WAN2_1_I2V, WAN2_2_I2V
from tests.models.wan.tiny import DENOISER, DENOISERS, tiny_weights, write_lora

FAST = [LoraSpec("4step")]


@pytest.fixture(scope="module")
def views(tmp_path_factory):
    """Folders of weights with LoRAs. Tests do not write into them."""
    root = tmp_path_factory.mktemp("views")
    views = {
        "plain": tiny_weights(root / "plain"),
        "gguf": tiny_weights(root / "gguf", form="gguf-q8_0", text="fp8", lora="pair"),
        "one": tiny_weights(root / "one", "wan2.1"),
    }
    for name in ("plain", "gguf"):
        write_lora(views[name] / "lora" / "film-grain.safetensors", DENOISER)
    return views


@pytest.fixture(scope="module")
def shared(views):
    """Pipelines shared by all tests."""
    return {name: load(views[name], WAN2_2_I2V) for name in ("plain", "gguf")}


@pytest.fixture
def plain(shared):
    yield shared["plain"]
    lora.unload(shared["plain"])


@pytest.fixture
def quantized(shared):
    yield shared["gguf"]
    lora.unload(shared["gguf"])


@pytest.fixture
def writable(views, tmp_path):
    """A copy whose LoRAs a test may change."""
    return shutil.copytree(views["plain"], tmp_path / "view")


def predicted(model):
    source = torch.Generator().manual_seed(7)

    def noise(*shape):
        return torch.randn(*shape, generator=source).to(model.dtype)

    image = noise(1, 17, 32) if model.config.image_dim else None
    with torch.no_grad():
        return model(
            hidden_states=noise(1, 36, 3, 8, 8),
            timestep=torch.tensor([700]),
            encoder_hidden_states=noise(1, 512, 32),
            encoder_hidden_states_image=image,
            return_dict=False,
        )[0].float()


def both(loaded):
    return [predicted(model) for model in loaded.experts.values()]


def relative_errors(ones, others):
    return [
        ((one - other).norm() / other.norm()).item()
        for one, other in zip(ones, others, strict=True)
    ]


def same(ones, others):
    return all(torch.equal(one, other) for one, other in zip(ones, others, strict=True))


def test_the_catalog_lists_the_folder_and_a_pair_has_one_id(views):
    assert lora.available(views["plain"]) == ("4step", "film-grain")
    assert lora.available(views["gguf"]) == ("4step", "film-grain")
    assert lora.available(views["plain"] / "vae") == ()


@pytest.mark.parametrize("name", ["plain", "quantized"])
def test_a_lora_is_loaded_into_each_expert_and_changes_both(name, request):
    loaded = request.getfixturevalue(name)
    before = both(loaded)

    lora.apply(loaded, FAST)

    adapters = loaded.pipe.get_list_adapters()
    assert adapters == {"transformer": ["4step"], "transformer_2": ["4step_low"]}
    assert min(relative_errors(both(loaded), before)) > 0.05


def test_each_file_of_a_pair_is_loaded_into_its_expert(quantized, views):
    lora.apply(quantized, FAST)

    for place, half in (("transformer", "4step_high"), ("transformer_2", "4step_low")):
        file = load_file(views["gguf"] / "lora" / f"{half}.safetensors")
        model = quantized.experts[place]
        name = "4step" if place == "transformer" else "4step_low"
        layer = model.get_submodule("blocks.0.attn1.to_q").lora_A[name].weight
        published = file["diffusion_model.blocks.0.self_attn.q.lora_down.weight"]
        ratio = layer.float() / published
        assert torch.allclose(ratio, ratio.mean(), rtol=0.02)


@pytest.mark.parametrize("name", ["plain", "quantized"])
def test_removing_a_lora_restores_the_output(name, request):
    loaded = request.getfixturevalue(name)
    before = both(loaded)
    lora.apply(loaded, FAST)
    during = both(loaded)

    lora.apply(loaded, [])
    after = both(loaded)
    lora.apply(loaded, FAST)

    assert same(after, before)
    assert same(both(loaded), during)


def test_unloading_restores_the_experts_bit_by_bit(plain):
    before = both(plain)
    lora.apply(plain, [LoraSpec("4step"), LoraSpec("film-grain")])

    lora.unload(plain)

    assert same(both(plain), before)
    assert plain.pipe.get_list_adapters() == {}
    assert not any("lora" in name for name in plain.pipe.transformer.state_dict())


def test_each_expert_has_its_own_strength(plain):
    before = both(plain)
    lora.apply(plain, FAST)
    full = relative_errors(both(plain), before)

    lora.apply(plain, [LoraSpec("4step", strength=0.0, strength_2=0.5)])

    high, low = relative_errors(both(plain), before)
    assert high == 0
    assert 0.3 * full[1] < low < 0.7 * full[1]


def test_one_strength_is_meant_for_both_experts(plain):
    lora.apply(plain, [LoraSpec("4step", strength=0.5)])
    one = both(plain)

    lora.apply(plain, [LoraSpec("4step", strength=0.5, strength_2=0.5)])

    assert same(both(plain), one)


def test_only_the_loras_of_this_job_are_active(plain):
    lora.apply(plain, [LoraSpec("film-grain")])
    alone = both(plain)
    lora.apply(plain, [LoraSpec("4step"), LoraSpec("film-grain")])
    together = both(plain)

    lora.apply(plain, [LoraSpec("film-grain")])

    assert same(both(plain), alone)
    assert min(relative_errors(together, alone)) > 0.05


def test_a_file_is_read_once(writable):
    loaded = load(writable, WAN2_2_I2V)
    lora.apply(loaded, FAST)
    during = both(loaded)
    lora.apply(loaded, [])
    (writable / "lora" / "4step.safetensors").write_bytes(b"")

    lora.apply(loaded, FAST)

    assert same(both(loaded), during)


def test_a_model_with_one_expert_uses_the_common_file(views):
    loaded = load(views["one"], WAN2_1_I2V)
    before = both(loaded)

    lora.apply(loaded, FAST)

    assert loaded.pipe.get_list_adapters() == {"transformer": ["4step"]}
    assert relative_errors(both(loaded), before)[0] > 0.05


def test_a_lora_of_wan2_1_works_on_the_experts_of_wan2_2(writable):
    write_lora(writable / "lora" / "older.safetensors", DENOISERS["wan2.1"])
    loaded = load(writable, WAN2_2_I2V)
    before = both(loaded)

    lora.apply(loaded, [LoraSpec("older")])

    assert min(relative_errors(both(loaded), before)) > 0.05


def test_a_fused_lora_equals_an_unfused_one(views):
    exact = load(views["plain"], WAN2_2_I2V, dtype=torch.float32)
    loras = [LoraSpec("4step", 0.5, 1.0), LoraSpec("film-grain", 0.25)]
    lora.apply(exact, [LoraSpec("film-grain")])
    lora.apply(exact, loras)
    unfused = both(exact)

    lora.apply(exact, loras, fuse=True)

    assert exact.fused
    assert max(relative_errors(both(exact), unfused)) < 1e-6


def test_only_active_loras_are_fused(views):
    exact = load(views["plain"], WAN2_2_I2V, dtype=torch.float32)
    lora.apply(exact, FAST)
    unfused = both(exact)
    lora.apply(exact, [LoraSpec("film-grain")])

    lora.apply(exact, FAST, fuse=True)

    assert max(relative_errors(both(exact), unfused)) < 1e-6


def test_removing_a_fused_lora_restores_the_experts_bit_by_bit(plain):
    before = both(plain)
    lora.apply(plain, FAST, fuse=True)
    fused = both(plain)

    lora.apply(plain, [])

    assert min(relative_errors(fused, before)) > 0.05
    assert same(both(plain), before)
    assert not plain.fused


def test_another_lora_after_a_fused_one_works_as_without_fusing(plain):
    lora.apply(plain, [LoraSpec("film-grain")])
    expected = both(plain)
    lora.apply(plain, FAST, fuse=True)

    lora.apply(plain, [LoraSpec("film-grain")])

    assert same(both(plain), expected)


def test_a_lora_stays_precise_with_matrices_in_fp8(views, plain):
    lora.apply(plain, FAST)
    exact = both(plain)
    cast = load(views["plain"], WAN2_2_I2V)
    for model in cast.experts.values():
        model.enable_layerwise_casting(
            storage_dtype=torch.float8_e4m3fn, compute_dtype=torch.bfloat16
        )

    lora.apply(cast, FAST)

    assert max(relative_errors(both(cast), exact)) < 0.03


def test_loras_are_not_fused_into_a_quantized_model(quantized):
    lora.apply(quantized, FAST)
    unfused = both(quantized)

    lora.apply(quantized, FAST, fuse=True)

    assert not quantized.fused
    assert same(both(quantized), unfused)


def test_an_unknown_id_is_rejected_with_the_known_ones(plain):
    with pytest.raises(
        InputRejected, match=r"`nope` is not in the catalog; available: 4step"
    ) as bad:
        lora.apply(plain, [LoraSpec("nope")])

    assert (bad.value.code, bad.value.field) == ("unknown_lora", "loras")


@pytest.mark.parametrize("half", ["high", "low"])
def test_a_lora_for_only_one_expert_is_rejected(writable, half):
    (writable / "lora" / "film-grain.safetensors").rename(
        writable / "lora" / f"film-grain_{half}.safetensors"
    )
    loaded = load(writable, WAN2_2_I2V)
    before = both(loaded)

    with pytest.raises(WeightsInvalid, match=r"film-grain_(high|low).safetensors is missing"):
        lora.apply(loaded, [LoraSpec("film-grain")])

    assert same(both(loaded), before)


def test_a_pair_is_rejected_by_a_model_with_one_expert(views, tmp_path):
    folder = shutil.copytree(views["one"], tmp_path / "view")
    for half in ("high", "low"):
        write_lora(folder / "lora" / f"mood_{half}.safetensors", DENOISERS["wan2.1"])

    with pytest.raises(WeightsInvalid, match=r"mood.safetensors is missing: `mood` is for two"):
        lora.apply(load(folder, WAN2_1_I2V), [LoraSpec("mood")])


def rewrite(path, change):
    save_file(change(load_file(path)), path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda state: {
                name: torch.zeros(4, 48) if "lora_down" in name else one
                for name, one in state.items()
            },
            "does not fit transformer: ",
        ),
        (
            lambda state: {
                name.replace("diffusion_model.blocks", "text_encoder.layers"): one
                for name, one in state.items()
                if name.endswith(("down.weight", "up.weight"))
            },
            "transformer",
        ),
        (lambda state: state | {"odd": torch.zeros(1)}, "does not fit transformer: "),
    ],
    ids=["width", "names", "leftover"],
)
def test_a_lora_for_another_model_is_rejected_and_leaves_nothing_behind(writable, change, message):
    rewrite(writable / "lora" / "film-grain.safetensors", change)
    loaded = load(writable, WAN2_2_I2V)
    before = both(loaded)
    lora.apply(loaded, FAST)
    during = both(loaded)

    with pytest.raises(WeightsInvalid, match=rf"film-grain.safetensors .*{message}"):
        lora.apply(loaded, [LoraSpec("4step"), LoraSpec("film-grain")])

    assert same(both(loaded), before)
    lora.apply(loaded, FAST)
    assert same(both(loaded), during)


@pytest.mark.parametrize(
    ("content", "message"), [(b"<html>", "is a web page"), (b"\x08", "is truncated or damaged")]
)
def test_an_unreadable_file_is_named(writable, content, message):
    (writable / "lora" / "film-grain.safetensors").write_bytes(content)

    with pytest.raises(WeightsInvalid, match=f"film-grain.safetensors {message}"):
        lora.apply(load(writable, WAN2_2_I2V), [LoraSpec("film-grain")])
