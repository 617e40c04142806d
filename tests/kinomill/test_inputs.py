"""What `submit` takes as an input: paths, open files, bytes, addresses, and plain values."""

from __future__ import annotations

import base64
import gzip
import io
import os

import pytest

from kinomill import Client, InputFileError, InvalidInput
from tests.api.build import MODEL, URLS, png, wav
from tests.kinomill.gateway import drop_response, gateway


@pytest.fixture
def voice():
    return wav()


def test_a_text_that_names_a_file_is_uploaded(client, sessions, files):
    job = client.submit(MODEL, image=str(files["image"]), audio=files["audio"])

    assert job.input["image"].startswith("file_")


def test_a_relative_path_is_found(client, sessions, files, monkeypatch):
    monkeypatch.chdir(files["image"].parent)

    job = client.submit(MODEL, image="face.png", audio=URLS["audio"], loop="hold")

    assert job.input["image"].startswith("file_")
    assert (job.input["audio"], job.input["loop"]) == (URLS["audio"], "hold")


def test_open_files_and_bytes_are_uploaded(client, sessions, files, voice):
    with files["image"].open("rb") as image:
        image.read(5)
        job = client.submit(MODEL, image=image, audio=voice)
        assert not image.closed

    assert job.input["image"].startswith("file_")
    assert job.input["audio"].startswith("file_")


def test_a_data_uri_and_the_id_of_an_earlier_upload_are_sent_as_they_are(client, sessions, voice):
    uri = "data:image/png;base64," + base64.b64encode(png()).decode()

    first = client.submit(MODEL, image=uri, audio=voice)
    second = client.submit(MODEL, image=first.input["image"], audio=first.input["audio"])

    assert second.input == first.input


def test_a_data_uri_of_any_length_is_sent_as_it_is(client, voice):
    uri = "data:audio/wav;base64," + "A" * 300  # longer than the name of a file may be

    with pytest.raises(InvalidInput, match="image"):  # by the API: nothing is wrong here
        client.submit(MODEL, image=uri, audio=voice)


def test_a_stream_that_cannot_be_rewound_is_sent_again_after_a_failure(server, sessions, voice):
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(voice)

    with (
        gateway(server, faults=[drop_response]) as (url, seen),
        Client(url) as client,
        os.fdopen(reading, "rb") as stream,
    ):
        job = client.submit(MODEL, image=io.BytesIO(png()), audio=stream)

    assert len(seen) == 2
    assert job.input["audio"].startswith("file_")


def test_a_compressed_file_is_sent_as_it_is_read(client, sessions, tmp_path, voice):
    with gzip.open(tmp_path / "voice.wav.gz", "wb") as file:
        file.write(voice)

    with gzip.open(tmp_path / "voice.wav.gz") as stream:
        job = client.submit(MODEL, image=png(), audio=stream)

    assert job.input["audio"].startswith("file_")


def test_upload_progress_is_reported_and_starts_over_after_a_failure(server, sessions, files):
    reports = []
    total = sum(path.stat().st_size for path in files.values())

    with gateway(server, faults=[drop_response]) as (url, _), Client(url) as client:
        client.submit(MODEL, files, on_upload=lambda sent, of: reports.append((sent, of)))

    assert {of for _, of in reports} == {total}
    assert reports[-1] == (total, total)
    assert [sent for sent, _ in reports].count(total) == 2


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ("nobody.jpg", r"image: no file 'nobody\.jpg'; pass a path"),
        ("", "image: no file ''"),
        ("x" * 300, r"image: no file 'x{100}…'"),
        ("x" * 9999, r"image: no file 'x{100}…'"),
        (io.StringIO("text"), "image: this file is open as text"),
    ],
)
def test_an_input_that_is_no_file_is_named_and_nothing_is_sent(server, image, message):
    with (
        gateway(server, faults=[]) as (url, seen),
        Client(url) as client,
        pytest.raises(InputFileError, match=message) as error,
    ):
        client.submit(MODEL, image=image, audio=URLS["audio"])

    assert error.value.field == "image"
    assert [path for method, path, _ in seen if method == "POST"] == []


def test_a_missing_path_is_named(client, tmp_path):
    with pytest.raises(InputFileError, match=r"audio: no file '.*no\.wav'"):
        client.submit(MODEL, image=URLS["image"], audio=tmp_path / "no.wav")
    with pytest.raises(InputFileError, match="audio: Is a directory"):
        client.submit(MODEL, image=URLS["image"], audio=tmp_path)


def test_other_schemes_are_judged_by_the_api(client):
    with pytest.raises(InvalidInput) as error:
        client.submit(MODEL, image="ftp://example.com/face.jpg", audio=URLS["audio"])

    assert error.value.code == "url_not_allowed"


def test_none_means_not_given(client, sessions, files):
    job = client.submit(MODEL, files, video=None, max_side=None)

    assert job.input["max_side"]


def test_an_input_that_is_given_twice_is_refused(client):
    with pytest.raises(TypeError, match="fps: given in the mapping and as a keyword"):
        client.submit(MODEL, {"fps": 1}, fps=2)


def test_inputs_named_like_options_go_into_the_mapping(client):
    with pytest.raises(InvalidInput, match="/input/priority"):
        client.submit(MODEL, {"priority": "first", **URLS})


def test_the_schema_is_read_once_and_only_if_a_text_may_be_a_path(server, sessions, files):
    with gateway(server, faults=[]) as (url, seen), Client(url) as client:
        client.submit(MODEL, URLS)
        client.submit(MODEL, files, fps=30)
        for _ in range(2):
            client.submit(MODEL, files, loop="hold")

    assert [method for method, _, _ in seen] == ["POST", "POST", "GET", "POST", "POST"]
