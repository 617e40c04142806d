"""Saving results and their files, over links that break."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from kinomill import ApiError, Client, NotFound, Unreachable
from tests.api.ending import fail
from tests.api.serving import closed_port, serving
from tests.jobs.build import submitted
from tests.kinomill.conftest import VIDEO
from tests.kinomill.gateway import drop_response, gateway, truncate


def test_a_video_is_saved(client, finished, tmp_path):
    path = client.download(finished, tmp_path / "new" / "video.mp4")

    assert path.read_bytes() == VIDEO
    assert [file.name for file in path.parent.iterdir()] == ["video.mp4"]


def test_another_file_of_a_result_is_saved_by_name(client, finished, tmp_path):
    path = client.download(finished, tmp_path / "new" / "voice.wav", name="voice.wav")

    assert path.read_bytes() == VIDEO
    with pytest.raises(NotFound):
        client.download(finished, path, name="../result?x=1")


@pytest.fixture
def relayed(make_settings):
    """A client of an API whose downloads go through a gateway: `public_url` is the gateway's."""

    @contextmanager
    def through(faults):
        port = closed_port()
        with (
            serving(make_settings, public=f"http://127.0.0.1:{port}") as url,
            gateway(url, faults=faults, port=port),
            Client(url) as client,
        ):
            yield client

    return through


def test_an_interrupted_download_goes_on_where_it_broke(finished, tmp_path, relayed):
    """More often than a request is repeated: each attempt brought a part."""
    sizes = []

    with relayed([truncate] * 5) as client:
        path = client.download(
            finished, tmp_path / "new" / "video.mp4", on_progress=lambda done, _: sizes.append(done)
        )

    assert path.read_bytes() == VIDEO
    assert len(sizes) > 5
    assert sizes == sorted(set(sizes))


def test_a_download_that_keeps_failing_leaves_no_file(finished, tmp_path, relayed):
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "video.mp4").write_bytes(b"the one before")

    with relayed([truncate, *[drop_response] * 4]) as client, pytest.raises(Unreachable):
        client.download(finished, tmp_path / "new" / "video.mp4")

    assert [file.name for file in (tmp_path / "new").iterdir()] == ["video.mp4"]
    assert (tmp_path / "new" / "video.mp4").read_bytes() == b"the one before"


def test_a_job_without_a_video_leaves_no_file(client, sessions, tmp_path):
    job_id = submitted(sessions)
    fail(sessions, job_id)

    with pytest.raises(ApiError) as error:
        client.download(job_id, tmp_path / "new" / "video.mp4")

    assert error.value.code == "job_without_result"
    assert list((tmp_path / "new").iterdir()) == []


def test_a_folder_gets_a_file_named_after_the_job(client, finished, tmp_path):
    reports = []

    path = client.download(finished, tmp_path, on_progress=lambda *report: reports.append(report))
    voice = client.download(client.get(finished), f"{tmp_path}/new/", name="voice.wav")

    assert path == tmp_path / f"{finished}.mp4"
    assert voice == tmp_path / "new" / f"{finished}-voice.wav"
    assert reports[-1] == (len(VIDEO), len(VIDEO))
