"""The folder of the face cache, read from the environment."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from pydantic import ValidationError

from models.settings import FaceSettings, GpuSettings, NumberFormatSettings


def test_the_face_cache_is_in_the_temporary_folder_by_default(monkeypatch):
    monkeypatch.delenv("KINOMILL_FACE_CACHE", raising=False)

    assert FaceSettings().face_cache == Path(tempfile.gettempdir()) / "kinomill-faces"


@pytest.mark.parametrize(("value", "folder"), [("/data/faces", Path("/data/faces")), ("", None)])
def test_the_face_cache_can_be_moved_or_disabled(monkeypatch, value, folder):
    monkeypatch.setenv("KINOMILL_FACE_CACHE", value)

    assert FaceSettings().face_cache == folder


@pytest.mark.parametrize(("value", "folder"), [("/data/x", Path("/data/x")), ("", None)])
def test_the_cache_of_number_formats_can_be_moved_or_disabled(monkeypatch, value, folder):
    monkeypatch.setenv("KINOMILL_NUMBER_FORMAT_CACHE", value)

    assert NumberFormatSettings().number_format_cache == folder


@pytest.mark.parametrize(("value", "number"), [("", 1), ("2", 2), ("8", 8)])
def test_a_worker_has_one_gpu_or_several(monkeypatch, value, number):
    monkeypatch.setenv("KINOMILL_GPUS_PER_WORKER", value)

    assert GpuSettings().gpus_per_worker == number


@pytest.mark.parametrize("value", ["0", "3", "16", "two"])
def test_a_number_that_does_not_divide_the_heads_is_refused(monkeypatch, value):
    monkeypatch.setenv("KINOMILL_GPUS_PER_WORKER", value)

    with pytest.raises(ValidationError):
        GpuSettings()
