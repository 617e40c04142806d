"""The folder of the face cache, as set in the environment."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from models.settings import FaceSettings


def test_faces_are_kept_in_the_folder_for_what_is_temporary(monkeypatch):
    monkeypatch.delenv("KINOMILL_FACE_CACHE", raising=False)

    assert FaceSettings().face_cache == Path(tempfile.gettempdir()) / "kinomill-faces"


@pytest.mark.parametrize(("value", "folder"), [("/data/faces", Path("/data/faces")), ("", None)])
def test_the_operator_says_where_and_whether(monkeypatch, value, folder):
    monkeypatch.setenv("KINOMILL_FACE_CACHE", value)

    assert FaceSettings().face_cache == folder
