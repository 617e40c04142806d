"""Replicate's own client, unchanged but for address and key, against a running server."""

from __future__ import annotations

import asyncio
import io

import av
import cv2
import numpy as np
import pytest
import replicate
from replicate.exceptions import ModelError, ReplicateError

from tests.jobs import build

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
    return frames_in(response.content)


def frames_in(content):
    with av.open(io.BytesIO(content)) as container:
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


def test_models_are_listed_and_described(client):
    listed = {model.id: model for model in client.models.list()}
    model = client.models.get("kinomill", "preview-i2v")

    assert MODEL in listed
    assert (model.owner, model.name) == ("kinomill", "preview-i2v")
    assert (
        "image"
        in model.latest_version.openapi_schema["components"]["schemas"]["Input"]["properties"]
    )


def test_every_way_to_create(client, photo):
    given = {"input": request_for(photo), "file_encoding_strategy": "base64"}
    version = client.models.get(MODEL).latest_version
    made = [
        client.predictions.create(version, **given, wait=True),
        client.predictions.create(version.id, **given, wait=30),
        client.models.predictions.create(MODEL, **given),
        client.models.predictions.create(("kinomill", "preview-i2v"), **given),
        client.deployments.predictions.create(MODEL, **given),
    ]

    assert [each.status for each in made[:2]] == ["succeeded"] * 2
    for each in made:
        each.wait()
        assert each.status == "succeeded"
    assert client.predictions.get(made[0].id).metrics["predict_time"] > 0


def test_pages_of_a_list(client, stack_sessions):
    """Of jobs that no worker of the stack runs."""
    waiting = [build.submission(model="multitalk", queue="multitalk") for _ in range(101)]
    ids = {one.job.id for one in build.submit(stack_sessions, *waiting)}
    pages = replicate.pagination.paginate(client.predictions.list)
    first, second = next(pages), next(pages)

    assert len(first) == 100
    assert ids <= {each.id for page in (first, second) for each in page}
    for job_id in ids:
        assert client.predictions.cancel(job_id).status == "canceled"


def test_a_prediction_is_canceled(client, photo):
    made = client.predictions.create(
        version=MODEL,
        input=request_for(photo, frames=161, segments=8, steps=8),
        file_encoding_strategy="base64",
    )
    made.cancel()
    made.wait()

    assert made.status == "canceled"
    assert made.output is None


def test_stream_of_the_client_and_its_progress(client, photo):
    events = list(client.stream(MODEL, input=request_for(photo), file_encoding_strategy="base64"))

    assert [event.event.value for event in events][-2:] == ["output", "done"]
    assert all(event.id for event in events)


async def made_by_async_client(url, photo):
    client = replicate.Client(api_token="not needed", base_url=url)
    given = {"input": request_for(photo), "file_encoding_strategy": "base64"}
    try:
        output = await client.async_run(MODEL, **given)
        made = await client.predictions.async_create(MODEL, **given)
        await made.async_wait()
        events = [each async for each in made.async_stream()]
        listed = await client.predictions.async_list()
        model = await client.models.async_get(MODEL)
        file = await client.files.async_create(photo)
        deleted = await client.files.async_delete(file.id)
    finally:
        await client._async_client.aclose()
    return output, made, events, listed, model, deleted


def test_the_async_client(client, stack, photo):
    output, made, events, listed, model, deleted = asyncio.run(
        made_by_async_client(stack.url, photo)
    )

    assert frames_of(client, output) == 9
    assert made.status == "succeeded"
    assert events[-1].event.value == "done"
    assert made.id in [each.id for each in listed]
    assert model.id == MODEL
    assert deleted


def test_a_file_output_reads_the_result(client, photo):
    """The client makes one of `https:` URLs only; over http its reader is used by hand."""
    made = client.predictions.create(MODEL, input=request_for(photo), wait=True)
    output = replicate.helpers.FileOutput(made.output, client)

    assert frames_in(output.read()) == frames_in(b"".join(output)) == 9


def test_what_others_offer_is_a_clear_error(client):
    for act in (
        client.hardware.list,
        client.collections.list,
        client.trainings.list,
        lambda: client.deployments.get(MODEL),
        client.accounts.current,
    ):
        with pytest.raises(ReplicateError) as error:
            act()
        assert error.value.status == 404
        assert "/docs lists all paths" in error.value.detail


def test_a_failed_run_says_why(client, voice, tmp_path):
    cv2.imwrite(str(tmp_path / "no-face.png"), np.full((256, 256, 3), 90, np.uint8))
    with pytest.raises(ModelError, match="no_face"):
        client.run(
            "kinomill/preview-lipsync",
            input={"image": tmp_path / "no-face.png", "audio": voice},
            file_encoding_strategy="base64",
        )


def test_metadata_of_a_file(client, photo):
    metadata = {"scene": 12, "tags": ["night"]}
    made = client.files.create(photo, metadata=metadata)

    assert made.metadata == metadata
    assert client.files.get(made.id).metadata == metadata
    assert [each.metadata for each in client.files.list() if each.id == made.id] == [metadata]
    assert client.files.delete(made.id)
    with pytest.raises(ReplicateError) as missing:
        client.files.get(made.id)
    assert missing.value.status == 404


def test_predictions_by_model_and_deployment_and_their_reload(client, photo):
    given = {"input": request_for(photo)}
    made = [
        client.predictions.create(model=MODEL, **given),
        client.predictions.create(deployment=MODEL, **given),
        client.predictions.create(version=client.models.get(MODEL).latest_version, **given),
    ]
    for each in made:
        while each.status not in {"succeeded", "failed"}:
            each.reload()
        assert each.status == "succeeded", each.error
        assert each.input["prompt"] == "the wind rises"
        assert each.model == MODEL
    assert made[0].progress is None or made[0].progress.percentage <= 1


def test_data_uris_and_file_handles_are_inputs(client, photo):
    uri = replicate.helpers.base64_encode_file(io.BytesIO(photo.read_bytes()))
    with photo.open("rb") as handle:
        inputs = [
            request_for(uri),
            request_for(handle),
            request_for(io.BytesIO(photo.read_bytes())),
        ]
        outputs = [client.run(MODEL, input=given, use_file_output=False) for given in inputs]

    assert [frames_of(client, url) for url in outputs] == [9, 9, 9]
    with pytest.raises(ReplicateError, match="https") as refused:
        client.run(MODEL, input=request_for("http://127.0.0.1/a.png"))
    assert refused.value.status == 422


async def all_of_the_async_client(url, photo):
    client = replicate.Client(api_token="not needed", base_url=url)
    given = {"input": request_for(photo)}
    try:
        url = await client.async_run(MODEL, **given, use_file_output=False)
        by_model = await client.models.predictions.async_create(MODEL, **given)
        await by_model.async_reload()
        long = request_for(photo, frames=161, segments=8, steps=8)
        stopped = await client.predictions.async_create(version=MODEL, input=long)
        await stopped.async_cancel()
        await stopped.async_wait()
        found = await client.predictions.async_get(by_model.id)
        streamed = [each.event.value async for each in await client.async_stream(MODEL, **given)]
        file = await client.files.async_create(photo, metadata={"a": 1})
        same = await client.files.async_get(file.id)
        listed = [each.id for each in await client.files.async_list()]
        secret = await client.webhooks.default.async_secret()
        versions = await client.models.async_list()
    finally:
        await client._async_client.aclose()
    return url, found, stopped, streamed, (file, same, listed), secret, versions


def test_every_async_method(client, stack, photo):
    url, found, stopped, streamed, files, secret, models = asyncio.run(
        all_of_the_async_client(stack.url, photo)
    )
    file, same, listed = files

    assert frames_of(client, url) == 9
    assert found.status in {"starting", "processing", "succeeded"}
    assert (stopped.status, stopped.output) == ("canceled", None)
    assert streamed[-2:] == ["output", "done"]
    assert same.metadata == {"a": 1}
    assert file.id in listed
    assert secret.key == client.webhooks.default.secret().key
    assert secret.key.startswith("whsec_")
    assert MODEL in {each.id for each in models.results}


def test_changes_of_models_are_refused_in_words(client):
    version = client.models.get(MODEL).latest_version
    model = client.models.get(MODEL)
    refused = [
        lambda: client.models.create("me", "mine", visibility="public", hardware="cpu"),
        lambda: client.models.delete(MODEL),
        lambda: client.models.search("wind"),
        lambda: model.versions.delete(version.id),
        lambda: client.trainings.create(
            version=f"{MODEL}:{version.id}", input={}, destination="me/mine"
        ),
        lambda: client.trainings.get("training_1"),
        lambda: client.deployments.list(),
        lambda: client.collections.get("videos"),
    ]
    for act in refused:
        with pytest.raises(ReplicateError) as error:
            act()
        assert error.value.status in {404, 405}
        assert error.value.detail


def test_a_webhook_filter_and_what_it_refuses(client, photo):
    given = {"version": MODEL, "input": request_for(photo)}
    with pytest.raises(ReplicateError, match="webhook") as unreachable:
        client.predictions.create(**given, webhook="http://localhost/hook")
    with pytest.raises(ReplicateError) as unknown:
        client.predictions.create(**given, webhook_events_filter=["everything"])

    assert unreachable.value.status == unknown.value.status == 422
