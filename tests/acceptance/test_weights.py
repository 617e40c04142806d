"""The first job of a model whose weights are not on the volume, as a client sees it."""

from __future__ import annotations

import json

import pytest

from kinomill import Client
from tests.folders import temporary_folder
from tests.running_stack import running_stack
from tests.waiting import until
from tests.weights.fake_hub import fake_hub
from tests.workers.tiny import painting

TINY = "tests.workers.tiny.card:CARD"


@pytest.fixture(scope="module")
def hub():
    with fake_hub() as hub:
        hub.add(painting.REPO, painting.files())
        yield hub


@pytest.fixture(scope="module")
def gates(tmp_path_factory):
    return tmp_path_factory.mktemp("gates")


@pytest.fixture(scope="module")
def client(hub, gates):
    """A client of a Kinomill with an empty volume and one on-demand model."""
    with temporary_folder("weights") as home:
        variables = {
            "KINOMILL_MODELS": json.dumps([TINY]),
            "KINOMILL_ON_DEMAND": json.dumps([TINY]),
            "KINOMILL_WEIGHTS": str(home / "volume"),
            "KINOMILL_WEIGHTS_CONNECTIONS": "1",
            "KINOMILL_HEARTBEAT_INTERVAL": "0.1",
            "HF_ENDPOINT": hub.url,
            "TINY_GATES": str(gates),
        }
        with running_stack(home, variables) as stack, Client(stack.url) as it:
            yield it


def test_a_job_shows_how_its_weights_are_downloaded_and_loaded(client, hub, gates, tmp_path):
    seen = []

    def polled():
        job = client.get(job_id)
        assert job.status in ("queued", "running"), job
        if job.phase and job.phase not in seen:
            seen.append(job.phase)
        return job

    def in_phase(phase):
        until(lambda: polled().phase == phase, seconds=60, what=phase)

    coming = hub.hold("paint.npy", 0.63)
    for gate in ("load", "generate"):
        (gates / gate).touch()
    job_id = client.submit("tiny").id
    try:
        in_phase("downloading_weights")
        until(lambda: (polled().progress.percent or 0) > 50, what="more than half")
        progress = polled().progress
    finally:
        coming.set()
    in_phase("loading_model")
    (gates / "load").unlink()
    in_phase("generating")
    (gates / "generate").unlink()
    done = client.wait(job_id)
    path = client.download(job_id, tmp_path / "video.mp4")

    ours = [phase for phase in seen if phase != "starting"]
    assert ours == ["downloading_weights", "loading_model", "generating"]
    assert progress.total_bytes == 15_974_752
    assert 0.5 < progress.done_bytes / progress.total_bytes < 0.64
    assert done.result.frames == painting.FRAMES
    assert path.stat().st_size == done.result.size_bytes


def test_the_next_job_finds_the_model_in_memory(client, hub):
    before = hub.requests

    done = client.run("tiny")

    assert hub.requests == before
    assert {"downloading_weights", "loading_model"}.isdisjoint(done.timings)
    notes = done.result.notes
    assert notes["HF_HOME"].endswith("/volume/hub")
    assert notes["TORCH_HOME"].endswith("/volume/torch")
    assert notes["HF_HUB_OFFLINE"] == "1"
    until(lambda: client.model("tiny").weights.state == "loaded", what="the fleet to show it")
