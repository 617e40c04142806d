"""Schedule, guidance and the loop of a chunk give the authors' figures."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.latentsync import audio, mask, sampling
from models.latentsync.input import Input
from models.latentsync.lip_sync import chunking
from models.lipsync.chunks import ChunkedGeneration
from models.lipsync.frame_task import FrameTask
from models.lipsync.network import CropArea
from tests.models.golden import figures
from tests.models.latentsync.formula import FACTS, array, smooth_frame, tiny_unet, tiny_vae

GOLDEN = FACTS["end_to_end"]
SCHEDULE = FACTS["scheduler"]
TOLERANCE = 2e-4
RESOLUTION, FRAMES = GOLDEN["resolution"], GOLDEN["frames"]


@pytest.fixture(scope="module")
def networks():
    return tiny_unet(), tiny_vae()


@pytest.fixture(scope="module")
def chunk():
    facts = GOLDEN["inputs"]
    faces = [smooth_frame(RESOLUTION, RESOLUTION, 5200 + index) for index in range(FRAMES)]
    noise = dict(facts["noise"], scale=3**0.5)
    return {
        "faces": np.stack(faces),
        "windows": audio.windows(array(facts["features"]).numpy(), FRAMES, 25),
        "noise": array(noise),
        "mask": mask.keep_mask(RESOLUTION),
    }


class Watched:
    """A network that keeps what it was given and gave."""

    def __init__(self, network):
        self.network = network
        self.dtype, self.device = network.dtype, network.device
        self.calls = []

    def __call__(self, **inputs):
        output = self.network(**inputs)
        self.calls.append((inputs, output))
        return output


@pytest.fixture(scope="module")
def two_steps(networks, chunk):
    unet = Watched(networks[0])
    scale = GOLDEN["guidance_scale"]
    latents = sampling.denoise(unet, networks[1], **chunk, steps=2, guidance=scale)
    return latents, unet.calls


def test_latents_are_those_of_the_authors(two_steps):
    figures.assert_like(two_steps[0], GOLDEN["final_latents"][0], atol=TOLERANCE)


def test_input_and_output_of_the_network_are_those_of_the_authors(two_steps):
    """The authors run both halves of the guidance in one batch, we one after the other."""
    (first, first_out), (second, second_out) = two_steps[1][:2]
    sample = torch.cat((first["sample"], second["sample"]))

    figures.assert_like(sample, GOLDEN["first_unet_input"], atol=TOLERANCE)
    sound = torch.cat((first["audio"], second["audio"]))
    figures.assert_like(sound, GOLDEN["first_audio"], atol=TOLERANCE)
    output = torch.cat((first_out, second_out))
    figures.assert_like(output, GOLDEN["first_unet_output"], atol=TOLERANCE)
    assert [inputs["timestep"] for inputs, _ in two_steps[1]] == [501, 501, 1, 1]
    for name in ("mean", "std"):
        of_channels = getattr(sample.double(), name)(dim=(0, 2, 3, 4)).numpy()
        expected = GOLDEN[f"first_unet_input_channel_{name}"]
        assert np.abs(of_channels - expected).max() < TOLERANCE


def test_faces_are_those_of_the_authors(two_steps, networks, chunk):
    found = sampling.paste(networks[1], two_steps[0], chunk["faces"], chunk["mask"])

    figures.assert_like(found, GOLDEN["pixels_after_paste"], atol=TOLERANCE)


def test_guidance_1_equals_no_guidance_in_half_of_the_calls(networks, chunk):
    unet = Watched(networks[0])

    found = sampling.denoise(unet, networks[1], **chunk, steps=2, guidance=1)

    figures.assert_like(found, GOLDEN["guidance_1"]["final_latents"][0], atol=TOLERANCE)
    assert len(unet.calls) == 2


@pytest.mark.parametrize(
    ("interval", "name"),
    [
        (3, "final_latents"),
        pytest.param(None, "without_cache", marks=pytest.mark.slow),
    ],
)
def test_latents_with_and_without_cached_features(networks, chunk, interval, name):
    facts = GOLDEN["deepcache"]
    scale = GOLDEN["guidance_scale"]

    found = sampling.denoise(
        *networks, **chunk, steps=facts["steps"], guidance=scale, cache_interval=interval
    )

    figures.assert_like(found, facts[name][0], atol=TOLERANCE)


def test_another_voice_gives_other_latents(networks, chunk, two_steps):
    other = dict(chunk, windows=chunk["windows"][::-1].copy())

    found = sampling.denoise(*networks, **other, steps=2, guidance=GOLDEN["guidance_scale"])

    assert (found - two_steps[0]).abs().max() > 0.01


@pytest.mark.parametrize("steps", [int(steps) for steps in SCHEDULE["timesteps"]])
def test_the_timesteps_are_those_of_the_authors(steps):
    found = sampling.create_scheduler(steps).timesteps.tolist()

    assert found == SCHEDULE["timesteps"][str(steps)]


def test_the_noise_schedule_is_that_of_the_authors():
    scheduler = sampling.create_scheduler(20)

    for step, alpha in SCHEDULE["alphas_cumprod"].items():
        assert abs(float(scheduler.alphas_cumprod[int(step)]) - alpha) < 2e-6
    assert abs(float(scheduler.final_alpha_cumprod) - SCHEDULE["final_alpha_cumprod"]) < 2e-6


def test_guidance_and_single_steps_are_those_of_the_authors():
    facts = SCHEDULE["guidance_and_step"]
    without, with_sound = array(facts["noise_pred"]).split(1)
    scheduler = sampling.create_scheduler(facts["steps"])

    noise = sampling.guided([without, with_sound], facts["scale"])

    figures.assert_like(noise, facts["combined"], atol=2e-6)
    for step, expected in facts["step_at"].items():
        found = scheduler.step(noise, int(step), array(facts["sample"]), return_dict=False)[0]
        figures.assert_like(found, expected, atol=2e-6)


@pytest.mark.parametrize("facts", FACTS["chunking"])
def test_the_chunks_are_those_of_the_authors(facts):
    assert [list(span) for span in sampling.chunks(facts["frames"])] == facts["chunks"]


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        (1, [(0, 1)]),
        (16, [(0, 16)]),
        (17, [(0, 16), (1, 17)]),
        (28, [(0, 16), (12, 28)]),
        (30, [(0, 16), (12, 28), (14, 30)]),
    ],
)
def test_chunks_that_overlap_are_whole(frames, expected):
    assert sampling.chunks(frames, overlap=4) == expected


class Counting:
    """A network that keeps the frames of each chunk."""

    batch = sampling.CHUNK

    def __init__(self):
        self.chunks = []

    def generate(self, faces, features):
        self.chunks.append((features[0], features[-1] + 1))
        return [np.arange(48, dtype=np.uint8).reshape(4, 4, 3) for _ in faces]


@pytest.mark.parametrize("upstream", [True, False])
@pytest.mark.parametrize("frames", [1, 15, 16, 17, 28, 30, 50])
def test_a_run_has_these_chunks(upstream, frames):
    chunked = chunking(Input(image="i", audio="a", upstream=upstream))
    area = CropArea(0, 4, 0, 4)
    picture = np.zeros((4, 4, 3), np.uint8)
    tasks = [FrameTask(picture, number, 1.0, area, f"face {number}") for number in range(frames)]
    network = Counting()

    list(ChunkedGeneration(network, chunked)(tasks))

    assert network.chunks == sampling.chunks(frames, chunked.overlap)
