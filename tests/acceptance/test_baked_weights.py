"""A worker whose weights came with its image: it starts and works without a single request."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from cli.settings import CliSettings
from cli.stack import Stack, free_port
from kinomill import Client
from tests.acceptance.tiny_hub import publish
from tests.models.multitalk.tiny import tiny_talking
from tests.models.multitalk.voice_files import tone, write_voice
from tests.models.wan.running import sample_image
from tests.weights.fake_hub import fake_hub

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "docker" / "worker.Dockerfile").read_text()
MODEL = "tiny-multitalk"
CARD = "tests.acceptance.talking_cards:TINY"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A Hub that has the files, and counts who asks for them."""
    with fake_hub() as hub:
        publish(hub, tmp_path, MODEL, tiny_talking(tmp_path / "given"))
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("TALKING_MANIFESTS", str(tmp_path))
        yield hub


def bake(given, weights):
    """Run the command that fills the image `worker-baked`, in folders of its own.

    It stands in `docker/worker.Dockerfile`; `/given` is the build context with the files.
    """
    stage = DOCKERFILE.split(" AS weights-pulled\n")[1].split("\nFROM ")[0]
    command = re.sub(r"--mount=\S+", "", stage.split("\nRUN ")[1]).replace("\\\n", " ")
    pulled = weights.with_name("pulled")
    for folder in (pulled, weights):
        folder.mkdir()
    for inside, place in {"/pulled": pulled, "/given": given, "/weights/": f"{weights}/"}.items():
        assert inside in command
        command = command.replace(inside, str(place))
    programs = Path(sys.executable).parent
    subprocess.run(
        ["sh", "-euc", command],
        check=True,
        env={
            **os.environ,
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "WEIGHTS": CARD,
            "ACCEPT_LICENSES": "[]",
        },
    )


def test_the_image_takes_the_weights_from_the_stage_that_pulled_them():
    stage = DOCKERFILE.split(" AS worker-baked\n")[1].split("FROM ")[0]

    assert "COPY --link --from=weights-pulled --chown=10001:10001 /weights/ /weights/" in stage
    assert "KINOMILL_WEIGHTS=/weights" in DOCKERFILE


def test_a_worker_with_baked_weights_makes_no_request(hub, tmp_path, monkeypatch):
    bake(tmp_path / "given", tmp_path / "weights")
    asked_by_build = hub.requests
    picture, home = tmp_path / "picture.png", tmp_path / "home"
    home.mkdir()
    cv2.imwrite(str(picture), sample_image(160, 160))
    voice = write_voice(tmp_path / "voice.wav", tone(0.4))
    monkeypatch.setenv("KINOMILL_MODELS", json.dumps([CARD]))
    monkeypatch.setenv("KINOMILL_WEIGHTS", str(tmp_path / "weights"))
    settings = CliSettings(database_url=None, redis_url=None, storage=None)

    with Stack(home, free_port(), settings, lambda _: None) as stack, Client(stack.url) as client:
        job = client.submit(MODEL, {"steps": 2, "seed": 3}, image=picture, audio=voice)
        ended = client.wait(job.id, timeout=120)

    assert (ended.status, ended.result.frames) == ("succeeded", 10)
    assert "downloading_weights" not in ended.timings
    assert (asked_by_build, hub.requests) == (0, 0)
