"""Sizes other than those of the figures, compared with the plain version in `naive.py`."""

from __future__ import annotations

import pytest
import torch

from models.multitalk import audio, denoiser
from models.multitalk.attention import AudioCrossAttention, reference_attention_map, rotary_1d
from models.multitalk.guidance import AdaptiveProjectedGuidance
from models.multitalk.projection import AudioProjection
from models.multitalk.schedule import timesteps
from models.multitalk.variants import frame_count
from tests.models.multitalk import naive
from tests.models.multitalk.formula import FIGURES, tensor, u, waveform, weights
from tests.models.multitalk.test_audio import wav2vec

__all__ = ["wav2vec"]


def made(tag, *shape, seed=5):
    return tensor(u(torch.Size(shape).numel(), tag, seed), shape)


def close(found, expected, tolerance=2e-5):
    torch.testing.assert_close(found.double(), expected.double(), atol=tolerance, rtol=0)


def state_of(module):
    keys = [(name, list(one.shape)) for name, one in module.state_dict().items()]
    return weights(keys)


@pytest.mark.parametrize("people", [1, 2])
@pytest.mark.parametrize(
    ("grid", "heads", "dim", "tokens"),
    [((1, 1, 1), 1, 6, 2), ((2, 3, 5), 1, 20, 6), ((4, 2, 3), 5, 30, 3), ((3, 1, 7), 6, 12, 10)],
)
def test_audio_attention(people, grid, heads, dim, tokens):
    module = AudioCrossAttention(dim=dim, encoder_hidden_states_dim=7, num_heads=heads)
    state = state_of(module)
    module.load_state_dict(state)
    count = grid[0] * grid[1] * grid[2]
    x, voices = made(1, 1, count, dim), made(2, 1, grid[0], people * tokens, 7)
    maps = made(3, 3, count).abs() if people == 2 else None

    found = module(x, voices, grid, maps)

    layers = naive.Weights(state)
    close(found[0], naive.audio_attention(layers, x[0], voices[0], grid[0], heads, maps))


@pytest.mark.parametrize("dim", [2, 4, 10, 128])
@pytest.mark.parametrize("batch", [1, 2])
def test_the_map_of_regions(dim, batch):
    grid = 3, 2, 5
    q, k = made(4, batch, 30, 3, dim), made(5, batch, 30, 3, dim)
    masks = torch.zeros(3, 10)
    masks[0, :1] = masks[1, 3:9] = masks[2, 9:] = 1

    found = reference_attention_map(q, k, masks.bool(), grid)

    expected = [
        naive.reference_map(q[n].double().transpose(0, 1), k[n].double().transpose(0, 1), masks)
        for n in range(batch)
    ]
    assert found.shape == ((3, 30) if batch == 1 else (batch, 3, 30))
    close(found, expected[0] if batch == 1 else torch.stack(expected))


@pytest.mark.parametrize("kind", [list, torch.tensor, lambda one: torch.tensor(one).double()])
def test_a_rotary_embedding_takes_positions_in_any_form(kind):
    x, positions = made(6, 2, 3, 4, 8), [0.0, 3.5, 22.0, 12.0]

    found = rotary_1d(x, kind(positions))

    close(found, naive.rotary_1d(x.double(), torch.tensor(positions)))


@pytest.mark.parametrize("groups", [0, 1, 6])
def test_projection(groups):
    sizes = {"blocks": 2, "channels": 3, "intermediate_dim": 7, "output_dim": 5}
    module = AudioProjection(**sizes, context_tokens=3)
    state = state_of(module)
    module.load_state_dict(state)
    windows = made(7, 3, 1 + 4 * groups, 5, 2, 3)

    found = module(*audio.group(windows))

    expected = naive.audio_tokens(naive.Weights(state), windows)
    assert found.shape == (3, 1 + groups, 3, 5)
    close(found.transpose(0, 1).flatten(1, 2), expected)


@pytest.mark.parametrize("threshold", [0.0, 2.0, 1e6])
@pytest.mark.parametrize("eta", [0.0, 0.3])
def test_guidance_of_a_batch_is_that_of_each_sample(threshold, eta):
    both = AdaptiveProjectedGuidance(momentum=-0.5, eta=eta, norm_threshold=threshold)
    alone = [AdaptiveProjectedGuidance(-0.5, eta, threshold) for _ in range(2)]

    for step in range(3):
        diff, direction = made(10 + step, 2, 3, 2, 4, 5), made(20 + step, 2, 3, 2, 4, 5)
        found = both(diff, direction)
        expected = [one(diff[n], direction[n]) for n, one in enumerate(alone)]
        close(found, torch.stack(expected))
    assert (found * direction).flatten(1).sum(dim=1).abs().max() < 1e-3 or eta


def test_times_are_shifted_one_by_one():
    for steps, shift in ((1, 3.0), (3, 1.0), (7, 11.0), (50, 0.5)):
        times = timesteps(steps, shift).tolist()
        even = [1000 - n * 999 / max(1, steps - 1) for n in range(steps)] + [0.0]
        shifted = [shift * t / (1 + (shift - 1) * t / 1000) for t in even]
        assert times == pytest.approx(shifted, abs=2e-4)


def test_the_authors_lose_some_last_frames_that_a_job_has(wav2vec):
    voice = waveform(1.16)

    assert len(audio.features(wav2vec, voice)) == int(1.16 * 25) == 28
    assert frame_count(len(voice)) == 29
    assert len(audio.features(wav2vec, voice, frames=29)) == 29


CONFIG = FIGURES["denoiser_1"]["init"]
OTHERS = {
    "one head": CONFIG | {"dim": 24, "num_heads": 1, "num_layers": 1, "ffn_dim": 10},
    "many heads": CONFIG | {"dim": 36, "num_heads": 3, "num_layers": 3, "context_tokens": 3},
    "wide text": CONFIG | {"dim": 32, "num_heads": 2, "text_dim": 33, "freq_dim": 8},
}


def keys_for(config):
    """Names and shapes in the authors' order of layers, for another config than the figures'."""
    sizes = {
        CONFIG["dim"]: config["dim"],
        2 * CONFIG["dim"]: 2 * config["dim"],
        6 * CONFIG["dim"]: 6 * config["dim"],
    }
    exact = {
        "text_embedding.0.weight": (config["dim"], config["text_dim"]),
        "time_embedding.0.weight": (config["dim"], config["freq_dim"]),
        "audio_proj.proj3.weight": (
            config["context_tokens"] * config["output_dim"],
            config["intermediate_dim"],
        ),
        "audio_proj.proj3.bias": (config["context_tokens"] * config["output_dim"],),
        "head.head.weight": (4 * config["out_dim"], config["dim"]),
        "head.head.bias": (4 * config["out_dim"],),
    }
    for name, shape in FIGURES["denoiser_1"]["keys"]:
        renamed = sizes | ({CONFIG["ffn_dim"]: config["ffn_dim"]} if ".ffn." in name else {})
        scaled = [renamed.get(size, size) for size in shape]
        wanted = exact.get(name, shape if name.startswith("audio_proj.") else scaled)
        if name.startswith("blocks.1."):
            continue
        for number in range(config["num_layers"]) if name.startswith("blocks.0.") else (0,):
            yield name.replace("blocks.0.", f"blocks.{number}."), list(wanted)


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize(("people", "grid"), [(1, (1, 4, 6)), (1, (3, 8, 4)), (2, (2, 6, 10))])
def test_denoiser(kind, people, grid):
    config = OTHERS[kind]
    state = weights(list(keys_for(config)))
    frames, height, width = grid
    masks = None
    if people == 2:
        masks = torch.zeros(3, height, width)
        masks[0, 2:, : width // 2] = masks[1, 2:, width // 2 :] = masks[2, :2] = 1
    given = {
        "latent": made(50, 16, *grid),
        "condition": made(51, 1, 20, *grid),
        "text": made(52, 9, config["text_dim"]),
        "image_embeds": made(53, 1, 257, 1280),
        "audio": made(54, people, 4 * frames - 3, 5, 12, 768),
    }

    model = denoiser.from_original(config, dict(state))
    found = denoiser.predict(model, **given, timestep=321.5, region_masks=masks)
    in_double = {name: one.double() for name, one in given.items()}
    again = denoiser.predict(model, **in_double, timestep=torch.tensor(321.5), region_masks=masks)

    close(found, naive.predict(state, config, **given, timestep=321.5, masks=masks), 1e-4)
    close(again, found)


def test_keys_that_a_config_lacks_have_the_published_values():
    lacking = ("audio_window", "vae_scale", "norm_input_visual", "norm_output_audio", "eps")
    short = {name: value for name, value in CONFIG.items() if name not in lacking}

    model = denoiser.from_original(short, weights(FIGURES["denoiser_1"]["keys"]))

    assert model.audio_proj.proj1_vf.in_features == 8 * 12 * 768
