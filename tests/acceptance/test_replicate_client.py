"""Replicate's own client, unchanged but for address and key, against a running server."""

from __future__ import annotations

import io

import av
import cv2
import numpy as np
import pytest
import replicate
from replicate.exceptions import ModelError, ReplicateError

MODEL = "kinomill/preview-i2v"


@pytest.fixture
def client(stack):
    client = replicate.Client(api_token="not needed", base_url=stack.url)
    yield client
    client._client.close()  # it has no method for that


def request_for(photo, **more):
    return {"prompt": "the wind rises", "image": photo, "frames": 9, "fps": 8} | more


def frames_of(client, url):
    response = client._client.get(url)  # as its FileOutput reads it, which wants https
    assert response.status_code == 200
    with av.open(io.BytesIO(response.content)) as container:
        return sum(1 for _ in container.decode(video=0))


def test_run_waits_and_gives_the_result(client, photo):
    output = client.run(MODEL, input=request_for(photo), file_encoding_strategy="base64")

    assert frames_of(client, output) == 9


def test_run_of_a_version(client, photo):
    version = client.models.get(MODEL).latest_version
    output = client.run(
        f"{MODEL}:{version.id}", input=request_for(photo), file_encoding_strategy="base64"
    )

    assert frames_of(client, output) == 9
    assert [each.id for each in client.models.get(MODEL).versions.list()] == [version.id]


def test_create_poll_list_and_cancel(client, photo):
    made = client.predictions.create(
        version=MODEL, input=request_for(photo), file_encoding_strategy="base64"
    )
    made.wait()
    listed = client.predictions.list()
    made.cancel()

    assert made.status == "succeeded"
    assert "generating" in made.logs
    assert made.id in [each.id for each in listed]
    assert client.predictions.get(made.id).output == made.output


def test_files_are_uploaded_listed_named_and_deleted(client, photo, tmp_path):
    made = client.run(MODEL, input=request_for(photo))  # uploads the picture, sends its URL
    file = client.files.create(io.BytesIO(photo.read_bytes()), filename="photo.png")

    assert frames_of(client, made) == 9
    assert file.name == "photo.png"
    assert file.id in [each.id for each in client.files.list()]
    assert client.files.get(file.id).checksums == file.checksums
    output = client.run(MODEL, input=request_for(file.urls["get"]))
    assert frames_of(client, output) == 9
    assert client.files.delete(file.id)


def test_stream_tells_of_the_output_and_the_end(client, photo):
    made = client.predictions.create(
        version=MODEL, input=request_for(photo), file_encoding_strategy="base64", stream=True
    )
    events = list(made.stream())

    assert [event.event.value for event in events][-2:] == ["output", "done"]
    assert frames_of(client, events[-2].data) == 9


def test_a_request_that_is_refused_says_why(client, voice):
    with pytest.raises(ReplicateError, match="not an image") as wrong:
        client.run(
            MODEL,
            input={"prompt": "x", "image": voice},
            file_encoding_strategy="base64",
        )
    with pytest.raises(ReplicateError) as unknown:
        client.run("kinomill/nothing", input={})

    assert wrong.value.status == 422
    assert unknown.value.status == 404


def test_a_failed_run_says_why(client, voice, tmp_path):
    cv2.imwrite(str(tmp_path / "no-face.png"), np.full((256, 256, 3), 90, np.uint8))
    with pytest.raises(ModelError, match="no_face"):
        client.run(
            "kinomill/preview-lipsync",
            input={"image": tmp_path / "no-face.png", "audio": voice},
            file_encoding_strategy="base64",
        )
