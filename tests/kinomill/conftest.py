"""A client of the real API under uvicorn, the one that the tests of the API start."""

from __future__ import annotations

import pytest

from jobs import lease as leases
from kinomill import Client
from storage.local.store import LocalStorage
from tests.api.build import png, wav
from tests.api.conftest import make_settings, server, store
from tests.jobs.build import claimed, submitted

__all__ = ["make_settings", "server", "store"]

VIDEO = bytes(range(256)) * 4_000


@pytest.fixture
def client(server):
    with Client(server) as client:
        yield client


@pytest.fixture
def files(tmp_path):
    (tmp_path / "face.png").write_bytes(png())
    (tmp_path / "voice.wav").write_bytes(wav())
    return {"image": tmp_path / "face.png", "audio": tmp_path / "voice.wav"}


@pytest.fixture
def finished(sessions, server, store, tmp_path):
    """The id of a job whose video is in the store."""
    job_id = submitted(sessions)
    lease = claimed(sessions, job_id)
    path = tmp_path / "video.mp4"
    path.write_bytes(VIDEO)
    storage = LocalStorage(store, public_url=server, secret=b"not used for putting")
    stored = storage.put(lease.result_key("mp4"), path, content_type="video/mp4")
    details = {"width": 64, "height": 64, "fps": "25", "frames": 1, "duration_seconds": 0.04}
    result = {
        "key": stored.key,
        "content_type": stored.content_type,
        "size_bytes": stored.size_bytes,
        "sha256": "0" * 64,
        "has_audio": True,
        **details,
    }
    voice = storage.put(lease.file_key("voice.wav"), path, content_type="audio/wav")
    file_details = {"size_bytes": len(VIDEO), "sha256": "0" * 64, "content_type": "audio/wav"}
    result["files"] = [{"name": "voice.wav", "key": voice.key, **file_details}]
    with sessions.begin() as session:
        leases.succeed(session, lease, result=result, timings={})
    return job_id
