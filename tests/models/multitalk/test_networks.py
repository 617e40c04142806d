"""The networks give the figures of the authors' code, with weights and inputs by formula."""

from __future__ import annotations

import pytest
import torch

from models.errors import WeightsInvalid
from models.multitalk import denoiser
from models.multitalk.attention import AudioCrossAttention, reference_attention_map, rotary_1d
from models.multitalk.loading import talking
from models.multitalk.projection import AudioProjection
from models.multitalk.request.input import Input
from models.multitalk.request.resolve import resolve
from models.multitalk.sampling.conditioning import Conditioning
from models.multitalk.sampling.evaluations import Evaluations, Prompts, Voices
from models.multitalk.variants import MULTITALK
from tests.models.multitalk.formula import FIGURES, assert_figures, given, keys_of, weights

GRID = (3, 3, 4)


def loaded(module, keys):
    module.load_state_dict(weights(keys))
    return module


def test_the_projection_has_the_published_names_and_the_authors_figures():
    case = FIGURES["audio_proj"]
    projection = AudioProjection(**case["init"])

    output = loaded(projection, case["keys"])(
        given("audio_proj", "first"), given("audio_proj", "latter")
    )

    assert keys_of(projection) == case["keys"]
    assert_figures(output, case["output"])


def test_a_norm_in_float32_gives_the_same_figures_in_float32():
    case = FIGURES["audio_proj"]
    projection = AudioProjection(**case["init"], norm_float32=True)

    output = loaded(projection, case["keys"])(
        given("audio_proj", "first"), given("audio_proj", "latter")
    )

    assert_figures(output, case["output"])


def attention():
    case = FIGURES["audio_cross_attn_one"]
    return loaded(AudioCrossAttention(**case["init"]), case["keys"])


def test_the_audio_attention_of_one_person_has_the_authors_figures():
    case, module = FIGURES["audio_cross_attn_one"], attention()

    output = module(
        given("audio_cross_attn_one", "x"), given("audio_cross_attn_one", "audio"), GRID
    )

    assert keys_of(module) == case["keys"]
    assert_figures(output, case["output"])


def two(tag=None):
    case = "audio_cross_attn_two"
    return given(case, "x"), given(case, "audio", tag), given(case, "ref_attn_map").abs()


def test_the_audio_attention_of_two_people_has_the_authors_figures():
    x, audio, reference_map = two()

    output = attention()(x, audio, GRID, reference_map)

    assert_figures(output, FIGURES["audio_cross_attn_two"]["output"])


def test_a_batch_gives_each_sample_its_own_result():
    x, audio, reference_map = two()
    other = reference_map.flip(0)

    both = attention()(
        x.repeat(2, 1, 1), audio.repeat(2, 1, 1, 1), GRID, torch.stack([reference_map, other])
    )

    torch.testing.assert_close(both[:1], attention()(x, audio, GRID, reference_map))
    torch.testing.assert_close(both[1:], attention()(x, audio, GRID, other))


def share_of_second_voice(voices, reference_map):
    """What each token hears of the second of two voices, where only their labels differ."""
    module = AudioCrossAttention(dim=48, encoder_hidden_states_dim=1, num_heads=2)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
        module.q_linear.bias.fill_(3)
        module.kv_linear.bias[:48] = 3
        module.kv_linear.weight[48:] = 1
        module.proj.weight.copy_(torch.eye(48))
        audio = torch.tensor(voices)[None, None, :, None]
        return module(torch.zeros(1, 12, 48), audio, (1, 3, 4), reference_map)[0, :, 0]


def test_a_person_hears_mostly_the_own_voice_and_swapped_voices_swap_that():
    reference_map = torch.zeros(3, 12)
    reference_map[0, :6] = reference_map[1, 6:] = torch.linspace(0.5, 1, 6)

    share = share_of_second_voice([0.0, 1.0], reference_map)
    swapped = share_of_second_voice([1.0, 0.0], reference_map)

    assert (share[:6] < 0.2).all()
    assert (share[6:] > 0.8).all()
    torch.testing.assert_close(swapped, 1 - share)


def test_the_background_hears_both_voices():
    reference_map = torch.zeros(3, 12)
    reference_map[0, 0] = reference_map[1, 1] = reference_map[2, 2:] = 1.0

    share = share_of_second_voice([0.0, 1.0], reference_map)

    torch.testing.assert_close(share[2:], torch.full((10,), 0.5))


def test_the_map_of_regions_has_the_authors_figures():
    case = "reference_attention_map"
    masks = torch.zeros(3, 12)
    masks[0, :4] = masks[1, 4:8] = masks[2, 8:] = 1

    output = reference_attention_map(given(case, "q"), given(case, "k"), masks, GRID)

    assert_figures(output, FIGURES[case]["output"])


def test_a_region_without_a_token_has_no_attention():
    case = "reference_attention_map"
    masks = torch.zeros(3, 12)
    masks[2] = 1

    output = reference_attention_map(given(case, "q"), given(case, "k"), masks, GRID)

    assert output.isfinite().all()
    assert not output[:2].any()


def test_the_rotary_embedding_has_the_authors_figures():
    case = FIGURES["rope_1d"]

    output = rotary_1d(given("rope_1d", "x"), torch.tensor(case["positions"]))

    assert_figures(output, case["output"])


def original(people):
    return denoiser.from_original(
        FIGURES[f"denoiser_{people}"]["init"], weights(FIGURES["denoiser_1"]["keys"])
    )


def region_masks():
    masks = torch.zeros(3, 6, 8)
    masks[0, 1:, :4] = masks[1, 1:, 4:] = masks[2, :1] = 1
    return masks


def predicted(people, time, masks, model=None, **changed):
    case = f"denoiser_{people}"
    inputs = {
        "latent": given(case, "latent"),
        "condition": given(case, "y"),
        "text": given(case, "context"),
        "image_embeds": given(case, "clip"),
        "audio": given(case, "audio"),
    }
    return denoiser.predict(
        model or original(people), timestep=time, region_masks=masks, **{**inputs, **changed}
    )


@pytest.mark.parametrize("people", [1, 2])
@pytest.mark.parametrize("time", ["999.0", "412.5"])
def test_the_denoiser_has_the_authors_figures(people, time):
    masks = region_masks() if people == 2 else None

    output = predicted(people, float(time), masks)

    figures = FIGURES[f"denoiser_{people}"]["output_by_timestep"][time]
    assert_figures(output, figures, tolerance=2e-4)


@pytest.mark.parametrize("people", [1, 2])
def test_a_job_evaluates_the_network_that_has_the_authors_figures(people):
    case, model = f"denoiser_{people}", original(people)
    masks = region_masks() if people == 2 else None
    params = Input(image="i", audio="a", guidance=1, audio_guidance=1)
    heard = model.tokens(given(case, "audio"))
    evaluations = Evaluations(
        denoiser=model,
        resolved=resolve(params, MULTITALK, image_size=(640, 640), frames=25, loras=()),
        prompts=Prompts(denoiser.padded(given(case, "context")), None),
        voices=Voices(heard, torch.zeros_like(heard)),
        conditioning=Conditioning(given(case, "y"), given(case, "clip"), None),
        masks=masks,
    )

    found = evaluations.velocity(given(case, "latent"), torch.tensor(412.5))

    assert torch.equal(found, predicted(people, 412.5, masks, model))


def test_the_sound_changes_what_is_predicted():
    model = original(1)
    silent = torch.zeros_like(given("denoiser_1", "audio"))

    assert (predicted(1, 500.0, None, model) - predicted(1, 500.0, None, model, audio=silent)).any()


def test_one_call_leaves_nothing_for_the_next():
    model = original(2)
    before = predicted(2, 500.0, region_masks(), model)
    predicted(2, 500.0, None, model)

    assert torch.equal(predicted(2, 500.0, region_masks(), model), before)


def test_the_names_of_the_audio_layers_are_the_published_ones():
    names = {name for name, _ in FIGURES["denoiser_1"]["keys"] if denoiser.is_audio(name)}

    assert set(original(1).audio_shapes) == names


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("blocks.1.norm_x.bias"), "blocks.1.norm_x.bias is missing"),
        (lambda state: state.pop("head.head.bias"), "proj_out.bias is missing"),
        (lambda state: state.update(extra=torch.zeros(1)), "extra is unknown"),
        (
            lambda state: state.update({"audio_proj.norm.bias": torch.zeros(3)}),
            r"audio_proj.norm.bias is \(3,\) instead of \(16,\)",
        ),
    ],
)
def test_other_names_or_shapes_are_refused_by_name(change, message):
    state = weights(FIGURES["denoiser_1"]["keys"])
    change(state)

    with pytest.raises(ValueError, match=message):
        denoiser.from_original(FIGURES["denoiser_1"]["init"], state)


def test_a_folder_with_a_denoiser_that_cannot_be_loaded_is_refused(tmp_path):
    with pytest.raises(WeightsInvalid, match="in int8 or in fp8 cannot be loaded"):
        talking.load(tmp_path, MULTITALK)
