"""A client of the real API under uvicorn, the one that the tests of the API start."""

from __future__ import annotations

import pytest

from kinomill import Client
from tests.api.build import png, wav
from tests.api.conftest import make_settings, server, store

__all__ = ["make_settings", "server", "store"]


@pytest.fixture
def client(server):
    with Client(server) as client:
        yield client


@pytest.fixture
def files(tmp_path):
    (tmp_path / "face.png").write_bytes(png())
    (tmp_path / "voice.wav").write_bytes(wav())
    return {"image": tmp_path / "face.png", "audio": tmp_path / "voice.wav"}
