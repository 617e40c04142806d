"""Inputs are fetched from storage or over HTTP, and checked."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from jobs.errors import AttemptFailed, ErrorCode
from jobs.ids import input_key
from jobs.states import Phase
from storage.sniffing.media import MediaRejected
from storage.web.url_policy import UrlPolicy
from tests.conftest import EXAMPLES
from tests.jobs.build import new_file_id
from tests.workers.script import Input
from workers.child import inputs
from workers.child.inputs import InputFetcher


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@contextmanager
def serving(handler):
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def site():
    """A web server with the example files."""
    with serving(partial(Quiet, directory=EXAMPLES)) as url:
        yield url


@pytest.fixture
def fetch(context, tmp_path):
    def fetch(report=lambda *_: None, **fields):
        fetcher = InputFetcher(context.storage, context.policy, report, tmp_path)
        return fetcher.fetch_all(Input(**fields))

    return fetch


@pytest.fixture
def upload(storage):
    def upload(path):
        file_id = new_file_id()
        storage.put(input_key(file_id), path, content_type="application/octet-stream")
        return file_id

    return upload


def test_an_uploaded_file_is_fetched_from_storage(fetch, upload, photo):
    files = fetch(image=upload(photo))

    assert files["image"].read_bytes() == photo.read_bytes()


def test_a_url_is_downloaded_with_progress(fetch, site, voice):
    seen = []

    files = fetch(lambda *step: seen.append(step), audio=f"{site}/voice.wav")

    size = voice.stat().st_size
    assert files["audio"].read_bytes() == voice.read_bytes()
    assert seen[0] == (Phase.FETCHING_INPUTS,)
    assert seen[-1] == (Phase.FETCHING_INPUTS, size, size)


def test_unset_fields_are_not_fetched(fetch):
    assert fetch() == {}


def test_files_are_named_by_their_field(fetch, upload, photo):
    assert fetch(image=upload(photo))["image"].name == "input-image"


def test_a_file_of_another_kind_is_rejected(fetch, upload, voice):
    with pytest.raises(AttemptFailed, match="image: this is an audio file") as rejected:
        fetch(image=upload(voice))

    assert (rejected.value.code, rejected.value.field) == (ErrorCode.UNSUPPORTED_MEDIA, "image")
    assert not rejected.value.retryable


def test_an_image_that_is_too_large_is_rejected_before_it_is_decoded(fetch, upload, tmp_path):
    from PIL import Image

    bomb = tmp_path / "bomb.png"
    Image.new("1", (20_000, 20_000)).save(bomb)

    with pytest.raises(AttemptFailed) as rejected:
        fetch(image=upload(bomb))

    assert (rejected.value.code, rejected.value.field) == (ErrorCode.TOO_LARGE, "image")


def test_a_missing_upload_is_an_error(fetch):
    with pytest.raises(AttemptFailed, match="no longer stored") as missing:
        fetch(image=new_file_id())

    assert (missing.value.code, missing.value.field) == (ErrorCode.FILE_NOT_FOUND, "image")


def test_a_404_is_a_fetch_error(fetch, site):
    with pytest.raises(AttemptFailed, match="status 404") as missing:
        fetch(image=f"{site}/nobody.jpg")

    assert (missing.value.code, missing.value.retryable) == (ErrorCode.FETCH_FAILED, False)


def test_an_unreachable_server_is_retryable(fetch):
    with pytest.raises(AttemptFailed) as away:
        fetch(image="http://127.0.0.1:1025/face.jpg")

    assert (away.value.code, away.value.retryable) == (ErrorCode.FETCH_FAILED, True)


def test_a_private_address_is_refused_without_a_connection(fetch, context, site):
    object.__setattr__(context, "policy", UrlPolicy(allow_http=True))

    with pytest.raises(AttemptFailed) as refused:
        fetch(image=f"{site}/face.jpg")

    assert refused.value.code == ErrorCode.URL_NOT_ALLOWED


def test_a_download_stops_when_the_job_is_stopped(fetch, site):
    class Stop(Exception):
        pass

    def report(_, done=0, total=None):
        if done:
            raise Stop

    with pytest.raises(Stop):
        fetch(report, image=f"{site}/face.jpg")


def test_a_rejection_with_an_unknown_code_is_a_model_error(fetch, upload, photo, monkeypatch):

    def odd(*_):
        raise MediaRejected("no_unicorn", "there is no unicorn")

    monkeypatch.setattr(inputs, "check_media", odd)

    with pytest.raises(AttemptFailed, match="image: there is no unicorn") as rejected:
        fetch(image=upload(photo))

    assert rejected.value.code == ErrorCode.MODEL_ERROR


class WithoutLength(SimpleHTTPRequestHandler):
    """Sends half a file and closes the connection, as a server whose disk or network fails."""

    def do_GET(self):
        content = (EXAMPLES / "voice.wav").read_bytes()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(content[: len(content) // 2])

    def log_message(self, *_):
        pass


def test_half_an_uploaded_file_is_refused(fetch, upload, voice, tmp_path):
    half = tmp_path / "half.wav"
    half.write_bytes(voice.read_bytes()[: voice.stat().st_size // 2])

    with pytest.raises(AttemptFailed, match="audio: the file is cut off: the last") as failed:
        fetch(audio=upload(half))

    assert (failed.value.code, failed.value.retryable) == (ErrorCode.MEDIA_UNREADABLE, False)


def test_half_a_download_without_a_length_is_retried(fetch):
    with serving(WithoutLength) as url, pytest.raises(AttemptFailed, match="cut off") as failed:
        fetch(audio=f"{url}/voice.wav")

    assert (failed.value.code, failed.value.retryable) == (ErrorCode.FETCH_FAILED, True)
    assert failed.value.field == "audio"
