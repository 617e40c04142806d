"""Sizes other than those of the figures, compared with the rules written down plainly."""

from __future__ import annotations

from fractions import Fraction
from math import cos, floor, pi, sin

import cv2
import numpy as np
import pytest
import torch

from models.latentsync import audio, geometry, mask, sampling, unet
from tests.models.golden.figures import u
from tests.models.latentsync.formula import (
    encoder_state,
    smooth_frame,
    tiny_encoder,
    tiny_unet,
    tiny_vae,
    unet_state,
)
from tests.models.latentsync.test_unet import lines, published_shapes

SCALE = 0.18215


def made(k, *shape):
    return torch.from_numpy(u(int(np.prod(shape)), k, 9).reshape(shape)).float()


@pytest.fixture(scope="module")
def networks():
    return tiny_unet(), tiny_vae()


def alphas():
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    return torch.cumprod(1 - betas, dim=0)


def denoised(network, vae, chunk, steps, guidance):
    """DDIM by hand: the halves in one batch, as the authors run them."""
    faces = torch.from_numpy(chunk["faces"]).permute(0, 3, 1, 2).float() / 127.5 - 1
    keep = torch.from_numpy(chunk["mask"])
    masked, whole = (vae.encode(x).latent_dist.mode() * SCALE for x in (faces * keep, faces))
    latent = masked.shape[-1]
    small = keep[:: keep.shape[0] // latent, :: keep.shape[1] // latent]
    small = small.expand(len(faces), 1, latent, latent)
    sound, table, stride = torch.from_numpy(chunk["windows"]).float(), alphas(), 1000 // steps
    x = chunk["noise"].float().repeat(1, 1, len(faces), 1, 1)
    for step in reversed(range(steps)):
        now, before = 1 + step * stride, 1 + (step - 1) * stride
        given = [x[0].transpose(0, 1), small, masked, whole]
        sample = torch.cat(given, dim=1).transpose(0, 1)[None]
        if guidance > 1:
            both = network(
                sample=sample.repeat(2, 1, 1, 1, 1),
                timestep=now,
                audio=torch.cat([torch.zeros_like(sound), sound]),
            )
            noise = both[:1] + guidance * (both[1:] - both[:1])
        else:
            noise = network(sample=sample, timestep=now, audio=sound)
        alpha, previous = table[now].float(), table[max(before, 0)].float()
        clean = (x - (1 - alpha).sqrt() * noise) / alpha.sqrt()
        x = previous.sqrt() * clean + (1 - previous).sqrt() * noise
    return x


@pytest.mark.parametrize(
    ("frames", "size", "steps", "guidance"),
    [(1, 64, 3, 1.0), (3, 64, 7, 2.5), (2, 96, 2, 0.5), (19, 64, 1, 1.5)],
)
def test_chunks_of_other_sizes(networks, frames, size, steps, guidance):
    network, vae = networks
    chunk = {
        "faces": np.stack([smooth_frame(size, size, 40 + n) for n in range(frames)]),
        "windows": made(41, frames, 50, 48).numpy().astype(np.float64),
        "noise": made(42, 1, 4, 1, size // 8, size // 8).double(),
        "mask": mask.keep_mask(size),
    }

    found = sampling.denoise(network, vae, **chunk, steps=steps, guidance=guidance)

    with torch.no_grad():
        expected = denoised(network, vae, chunk, steps, guidance)
    torch.testing.assert_close(found, expected, atol=2e-4, rtol=1e-4)
    pasted = sampling.paste(vae, found, chunk["faces"], chunk["mask"])
    kept = torch.from_numpy(chunk["mask"]) == 1
    source = torch.from_numpy(chunk["faces"]).permute(0, 3, 1, 2) / 127.5 - 1
    torch.testing.assert_close(pasted[..., kept], source[..., kept])


@pytest.mark.parametrize("kind", [torch.from_numpy, np.asarray])
def test_a_chunk_takes_arrays_and_tensors(networks, kind):
    faces, keep = np.stack([smooth_frame(64, 64, 50)]), mask.keep_mask(64)
    options = {"noise": made(51, 1, 4, 1, 8, 8), "steps": 1, "guidance": 1.0}
    sound = made(52, 1, 50, 48).numpy()

    found = sampling.denoise(
        *networks, faces=kind(faces), windows=kind(sound), mask=kind(keep), **options
    )

    plain = sampling.denoise(*networks, faces=faces, windows=sound, mask=keep, **options)
    assert torch.equal(found, plain)
    assert sampling.paste(networks[1], found, kind(faces), kind(keep)).shape == (1, 3, 64, 64)


CONFIG = {
    "block_out_channels": [32, 64, 64, 96],
    "layers_per_block": 2,
    "cross_attention_dim": 24,
    "others": "as published",
}


@pytest.fixture(scope="module")
def deeper():
    return unet.from_original(CONFIG, unet_state(lines(published_shapes(CONFIG))))


@pytest.mark.parametrize(("batch", "frames", "size", "tokens"), [(1, 1, 8, 30), (3, 7, 16, 10)])
def test_each_item_of_a_batch_is_for_itself_in_any_number_format(
    deeper, batch, frames, size, tokens
):
    sample = made(60, batch, 13, frames, size, size)
    sound = made(61, batch * frames, tokens, 24)

    with torch.inference_mode():
        found = deeper(sample=sample, timestep=400, audio=sound)
        double = deeper(sample=sample.double(), timestep=torch.tensor(400), audio=sound.double())
        each = [
            deeper(sample=sample[n : n + 1], timestep=400, audio=part)
            for n, part in enumerate(sound.chunk(batch))
        ]

    assert found.shape == (batch, 4, frames, size, size)
    torch.testing.assert_close(found, torch.cat(each), atol=2e-5, rtol=0)
    torch.testing.assert_close(double, found, atol=2e-5, rtol=0)


@pytest.mark.parametrize("frames", [0, 1, 16, 17])
def test_chunks_cover_each_frame_once(frames):
    found = sampling.chunks(frames)

    assert [n for start, end in found for n in range(start, end)] == list(range(frames))
    assert (
        sampling.chunks(frames, overlap=4)[-1:] == ([(max(0, frames - 16), frames)][: len(found)])
    )


def log_mel(samples):
    """The spectrogram by a plain Fourier sum, for a few columns."""
    padded = np.pad(samples.astype(np.float64), 200, mode="reflect")
    window = np.array([0.5 - 0.5 * cos(2 * pi * n / 400) for n in range(400)])
    angles = np.outer(np.arange(201), np.arange(400)) * 2 * pi / 400
    columns = []
    for column in range(len(samples) // 160):
        part = padded[160 * column : 160 * column + 400] * window
        power = (np.cos(angles) @ part) ** 2 + (np.sin(angles) @ part) ** 2
        columns.append(audio._filters().T @ power)
    levels = np.log10(np.maximum(np.array(columns).T, 1e-10))
    return (np.maximum(levels, levels.max() - 8) + 4) / 4


@pytest.mark.parametrize("count", [160, 399, 1000, 3217])
def test_mel_of_short_voices(count):
    samples = np.array([sin(n / 7) * 0.3 + 0.1 * sin(n / 3.1) for n in range(count)])

    found = audio.mel(samples)

    assert found.shape == (80, count // 160)
    np.testing.assert_allclose(found, log_mel(samples), atol=1e-5)


@pytest.mark.parametrize("fps", [10, 25.0, 23.976, Fraction(30000, 1001), 59.94, np.float64(50)])
def test_windows_at_any_rate(fps):
    rows, frames = 61, 40
    features = made(70, rows, 3, 4).numpy()

    found = audio.windows(features, frames, fps)

    for frame in range(frames):
        center = floor(frame * 50 / float(fps) + 1e-9)
        expected = [features[min(max(center + n, 0), rows - 1)] for n in range(-4, 6)]
        np.testing.assert_array_equal(found[frame], np.concatenate(expected))


def test_features_of_a_voice_of_any_length():
    encoder = tiny_encoder()

    for count, rows in ((0, 0), (159, 0), (320, 1), (16_000, 50)):
        found = audio.features(encoder, made(71, count).numpy() if count else np.zeros(0))
        assert found.shape == (rows, 3, 32)


def test_an_encoder_takes_its_part_of_a_whole_file():
    state = {f"encoder.{name}": one.half() for name, one in encoder_state().items()}
    state["decoder.ln.weight"] = torch.zeros(3)
    dims = {"n_mels": 80, "n_audio_ctx": 1500, "n_audio_state": 32}
    dims |= {"n_audio_head": 4, "n_audio_layer": 2, "n_vocab": 51865, "n_text_layer": 4}

    encoder = audio.encoder_from_original(dims, state)

    assert encoder.layer_norm.weight.dtype == torch.float32


@pytest.mark.parametrize("size", [64, 100, 192, 255, 384, 640])
def test_a_mask_is_that_of_256_enlarged(size):
    own = (mask.keep_mask(256) * 255).astype(np.uint8)

    expected = cv2.resize(own, (size, size), interpolation=cv2.INTER_LANCZOS4) / 255

    np.testing.assert_allclose(mask.keep_mask(size), expected, atol=1e-6)


@pytest.mark.parametrize("size", [64, 128, 256, 512])
def test_an_alignment_is_the_least_squares_fit(size):
    """No rotation by a little more or less comes nearer, at the scale of the authors' rule."""
    points = np.array([[41.0, 60.5], [97.25, 44.0], [80.0, 88.0]])
    template = np.array([[47.6, 56], [162.4, 56], [105, 112]]) * size / 256

    matrix = geometry.align(points.tolist(), size)

    def error(turn):
        rotation = np.array([[cos(turn), -sin(turn)], [sin(turn), cos(turn)]])
        moved = (points - points.mean(axis=0)) @ (rotation @ matrix[:, :2]).T
        return ((moved - (template - template.mean(axis=0))) ** 2).sum()

    ratio = np.std(template - template.mean(axis=0)) / np.std(points - points.mean(axis=0))
    assert np.sqrt(np.linalg.det(matrix[:, :2])) == pytest.approx(ratio)
    assert error(0) <= min(error(1e-3), error(-1e-3))
    center = matrix[:, :2] @ points.mean(axis=0) + matrix[:, 2]
    np.testing.assert_allclose(center, template.mean(axis=0), atol=1e-9)


@pytest.mark.parametrize("size", [64, 192, 256, 512])
def test_a_face_goes_out_and_back_at_any_size(size):
    frame = cv2.GaussianBlur(smooth_frame(150, 180, 80), (0, 0), 3)
    matrix = geometry.align([[61, 52], [109, 49], [86, 78]], size)

    face = geometry.warp(frame, matrix, size)
    restored = geometry.restore(frame, sampling.pixels(face).double(), matrix)

    assert face.shape == (size, size, 3)
    assert np.abs(restored.astype(int) - frame).mean() < 2
