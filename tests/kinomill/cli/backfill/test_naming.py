"""A video never replaces that of another job."""

from __future__ import annotations

import hashlib
import os
from types import SimpleNamespace

import pytest

from kinomill.cli.backfill.naming import name_error, save


def job(content, job_id="job_1", suffix=".mp4"):
    sha256 = hashlib.sha256(content).hexdigest()
    result = SimpleNamespace(sha256=sha256, size_bytes=len(content), suffix=suffix)
    return SimpleNamespace(id=job_id, result=result)


def saved(folder, name, content, job_id="job_1", **options):
    return save(
        job(content, job_id, **options), folder, name, lambda path: path.write_bytes(content)
    )


def test_a_free_name_is_used(tmp_path):
    assert saved(tmp_path, "a", b"new") == tmp_path / "a.mp4"
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


@pytest.mark.parametrize("name", ["a", "a.png"])
def test_the_extension_is_that_of_what_was_made(tmp_path, name):
    assert saved(tmp_path, name, b"new", suffix=".png") == tmp_path / "a.png"
    assert saved(tmp_path, name, b"x", "job_2", suffix=".png") == tmp_path / "a-job_2.png"


def test_a_name_with_another_video_is_left_alone(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"old")

    path = saved(tmp_path, "a.mp4", b"new")

    assert path == tmp_path / "a-job_1.mp4"
    assert ((tmp_path / "a.mp4").read_bytes(), path.read_bytes()) == (b"old", b"new")
    assert saved(tmp_path, "a", b"newer", "job_2") == tmp_path / "a-job_2.mp4"


def test_a_video_that_was_saved_before_a_crash_is_found_again(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"new")

    path = save(job(b"new"), tmp_path, "a", lambda _: pytest.fail("is downloaded again"))

    assert path == tmp_path / "a.mp4"


def test_a_file_system_without_hard_links_will_do(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)

    assert saved(tmp_path, "a", b"new") == tmp_path / "a.mp4"
    assert saved(tmp_path, "a", b"other", "job_2") == tmp_path / "a-job_2.mp4"
    assert (tmp_path / "a.mp4").read_bytes() == b"new"


@pytest.mark.parametrize("name", ["", "../a", "a/b", ".a", "a\n", "a" * 201, "c:a", "a ", "-a"])
def test_a_name_may_not_leave_the_folder(name):
    assert name_error(name)


@pytest.mark.parametrize("name", ["a", "Grüße 1", "clip-2.final", "=1"])
def test_a_plain_name_is_fine(name):
    assert name_error(name) is None
