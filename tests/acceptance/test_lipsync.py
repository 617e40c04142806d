"""The lip-sync networks with weights from a source, over HTTP."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import save_file

from kinomill import Client, JobFailed
from models.wav2lip.network import Wav2Lip
from tests.acceptance.manifests import manifest, weight_files
from tests.acceptance.pictures import shrunk, wall
from tests.acceptance.sounds import lengthen
from tests.folders import temporary_folder
from tests.models.golden import figures
from tests.models.musetalk.tiny import tiny_weights
from tests.running_stack import running_stack

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning"),
]

GOOD = ("training", "plain", "scripted", "tensors")
BROKEN = {"page": "web page", "truncated": "damaged", "lacking": "missing: output_block.1.bias"}
PLACES = ["TRAINING", "PLAIN", "SCRIPTED", "TENSORS", "PAGE", "TRUNCATED", "LACKING"]
CARDS = [f"tests.acceptance.cards:{name}" for name in [*PLACES, "TINY_MUSETALK"]]


def checkpoints(folder):
    """Save the same network in every form of a checkpoint, and broken files."""
    state = figures.filled(Wav2Lip().state_dict(), gain=0.75)
    network = Wav2Lip().eval()
    network.load_state_dict(state)
    wrapped = {f"module.{name}": tensor for name, tensor in state.items()}
    training = {"state_dict": wrapped, "optimizer": None, "global_step": 5, "global_epoch": 1}
    torch.save(training, folder / "training", _use_new_zipfile_serialization=False)
    torch.save(state, folder / "plain")
    example = torch.zeros(1, 1, 80, 16), torch.zeros(1, 6, 96, 96)
    torch.jit.save(torch.jit.trace(network, example), folder / "scripted")
    save_file(state, folder / "tensors")
    (folder / "page").write_bytes(b"<!DOCTYPE html><html>not the file</html>")
    whole = (folder / "plain").read_bytes()
    (folder / "truncated").write_bytes(whole[: len(whole) // 2])
    lacking = {name: tensor for name, tensor in state.items() if "output_block.1" not in name}
    torch.save(lacking, folder / "lacking")
    return {name: {"wav2lip_gan.pth": folder / name} for name in (*GOOD, *BROKEN)}


@pytest.fixture(scope="module")
def manifests():
    """Manifests of all forms, in a temporary folder."""
    with temporary_folder("lipsync") as folder:
        (folder / "checkpoints").mkdir()
        files = checkpoints(folder / "checkpoints")
        files["tiny-musetalk"] = weight_files(tiny_weights(folder / "musetalk"))
        for name, places in files.items():
            (folder / f"{name}.toml").write_text(manifest(name, places))
        yield folder


@pytest.fixture(scope="module")
def client(manifests):
    """A client of a Kinomill that serves them on demand, one in memory at a time."""
    with temporary_folder("lipsync-home") as home:
        variables = {
            "KINOMILL_MODELS": json.dumps(CARDS),
            "KINOMILL_ON_DEMAND": json.dumps(CARDS),
            "KINOMILL_WEIGHTS": str(home / "volume"),
            "LIPSYNC_MANIFESTS": str(manifests),
        }
        with running_stack(home, variables) as stack, Client(stack.url) as it:
            yield it


@pytest.fixture
def media(tmp_path, photo, voice):
    """A small face, a wall and half a second of voice."""
    shrunk(photo, tmp_path / "face.jpg", side=200)
    wall(tmp_path / "wall.png")
    lengthen(voice, tmp_path / "voice.wav", seconds=0.5)
    return tmp_path


def generate(client, model, media, picture="face.jpg"):
    files = {"image": media / picture, "audio": media / "voice.wav"}
    try:
        return client.run(model, files, fps=6)
    except JobFailed as failed:
        return failed.job


@pytest.mark.parametrize("form", GOOD)
def test_every_form_of_a_checkpoint_generates_a_video(client, media, form, tmp_path):
    job = generate(client, form, media)

    assert job.status == "succeeded", job.error
    result, notes = job.result, job.result.notes
    assert (result.frames, notes["frames_with_face"], result.has_audio) == (3, 3, True)
    assert len(notes["weights_sha256"]) == 64
    assert {"downloading_weights", "loading_model"} < set(job.timings)


@pytest.mark.parametrize("form", BROKEN)
def test_a_broken_checkpoint_fails_the_job_with_an_explanation_and_the_worker_survives(
    client, media, form
):
    job = generate(client, form, media)
    after = generate(client, "plain", media)

    assert job.status == "failed"
    assert job.error.code == "weights_invalid"
    assert BROKEN[form] in job.error.detail
    assert job.attempt == 1
    assert after.status == "succeeded"


def test_an_image_without_a_face_is_refused(client, media):
    job = generate(client, "plain", media, picture="wall.png")

    assert (job.error.code, job.error.field) == ("no_face", "image")


def test_a_tiny_musetalk_generates_a_video(client, media):
    job = generate(client, "tiny-musetalk", media)

    assert job.status == "succeeded", job.error
    assert job.result.frames == 3
    assert job.result.notes["frames_with_face"] == 3
