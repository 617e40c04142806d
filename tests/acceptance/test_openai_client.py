"""OpenAI's own client, unchanged but for the address, against a running server."""

from __future__ import annotations

import asyncio
import hashlib
import io
from itertools import islice
from uuid import uuid4

import av
import cv2
import httpx2
import numpy as np
import openai
import pytest

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def client(stack):
    with openai.OpenAI(base_url=f"{stack.url}/v1", api_key="not needed") as client:
        yield client


@pytest.fixture
def videos(client):
    return client.videos


def request_for(photo, **more):
    """A video of nine frames, which takes about a second."""
    settings = {"extra_body": {"num_frames": 9, "fps": 8}, "size": "208x304"}
    return {"model": "preview-i2v", "prompt": "x", "input_reference": photo} | settings | more


def frames_of(content):
    with av.open(io.BytesIO(content)) as container:
        stream = container.streams.video[0]
        return stream.width, stream.height, sum(1 for _ in container.decode(stream))


def test_a_picture_and_a_prompt_become_a_video(videos, photo):
    video = videos.create_and_poll(
        model="preview-i2v",
        prompt="the wind rises",
        input_reference=photo,
        seconds="1",
        size="208x304",
        extra_body={"fps": 8, "guidance_scale": 1.5, "n": 1},
        poll_interval_ms=100,
    )

    assert video.status == "completed", video.error
    assert (video.model, video.progress, video.size) == ("preview-i2v", 100, "208x304")
    content = videos.download_content(video.id).read()
    assert frames_of(content) == (208, 304, 9)


def test_a_picture_and_a_voice_become_a_video(videos, photo, voice):
    video = videos.create(
        model="preview-lipsync",
        prompt="",
        input_reference=photo,
        extra_body={"audio_reference": {"audio_url": data_uri(voice)}, "fps": 8},
    )
    done = videos.poll(video.id, poll_interval_ms=100)

    assert done.status == "completed", done.error
    assert float(done.seconds) > 1


def data_uri(path):
    import base64

    return f"data:audio/wav;base64,{base64.b64encode(path.read_bytes()).decode()}"


def test_list_delete_and_errors(videos, photo):
    video = videos.create(model="preview-i2v", prompt="x", input_reference=photo, seconds="1")
    listed = [each.id for each in videos.list(limit=1)][:1]
    with pytest.raises(openai.NotFoundError) as missing:
        videos.download_content(f"{video.id}0")
    with pytest.raises(openai.UnprocessableEntityError) as wrong:
        videos.create(model="preview-i2v", prompt="x", seconds="soon", input_reference=photo)
    with pytest.raises(openai.BadRequestError) as lacking:
        videos.remix(video.id, prompt="again")
    deleted = videos.delete(video.id)

    assert listed == [video.id]
    assert missing.value.code == "job_not_found"
    assert (wrong.value.code, wrong.value.param) == ("invalid_input", "seconds")
    assert "such as 5" in str(wrong.value)
    assert lacking.value.code == "not_supported"
    assert deleted.deleted
    with pytest.raises(openai.NotFoundError):
        videos.retrieve(video.id)


def test_models_are_listed_and_described(client):
    assert "preview-i2v" in {model.id for model in client.models.list()}
    model = client.models.retrieve("preview-i2v")
    assert (model.id, model.object, model.owned_by) == ("preview-i2v", "model", "kinomill")
    with pytest.raises(openai.NotFoundError) as unknown:
        client.models.retrieve("sora-2")
    assert unknown.value.code == "unknown_model"


def test_a_list_goes_on_by_itself_in_both_directions(videos, photo):
    made = [videos.create(**request_for(photo)).id for _ in range(5)]

    newest = [each.id for each in islice(videos.list(limit=2), 5)]
    page = videos.list(limit=2, order="asc", after=made[0])

    assert newest == made[::-1]
    assert [each.id for each in page.data] == made[1:3]
    assert [each.id for each in page.get_next_page().data] == made[3:5]
    for video_id in made:
        assert videos.delete(video_id).deleted


def test_raw_and_streamed_answers(videos, photo, tmp_path):
    raw = videos.with_raw_response.create(**request_for(photo))
    done = videos.poll(raw.parse().id, poll_interval_ms=100)
    with videos.with_streaming_response.download_content(done.id) as answer:
        answer.stream_to_file(tmp_path / "video.mp4")
    poster = videos.download_content(done.id, variant="thumbnail").read()
    polled = videos.with_raw_response.retrieve(done.id)

    assert raw.headers["location"].endswith(done.id)
    assert frames_of((tmp_path / "video.mp4").read_bytes()) == (208, 304, 9)
    assert poster[:3] == b"\xff\xd8\xff"
    assert "openai-poll-after-ms" not in polled.headers
    with pytest.raises(openai.NotFoundError) as lacking:
        videos.download_content(done.id, variant="spritesheet")
    assert lacking.value.code == "variant_not_available"
    with pytest.raises(openai.BadRequestError) as unnamed:
        videos.create(prompt="x", input_reference=photo)
    assert (unnamed.value.code, unnamed.value.param) == ("model_required", "model")


def test_what_others_offer_is_refused_in_words(videos, photo):
    clip = ("clip.mp4", b"\0" * 100, "video/mp4")
    refused = [
        lambda: videos.edit(prompt="x", video=clip),
        lambda: videos.extend(prompt="x", seconds="4", video=clip),
        lambda: videos.create_character(name="x", video=clip),
        lambda: videos.get_character("char_1"),
        lambda: videos.remix("video_1", prompt="x"),
        lambda: videos.create(**request_for(photo, extra_body={"n": 2})),
    ]
    for act in refused:
        with pytest.raises(openai.BadRequestError) as error:
            act()
        assert error.value.code == "not_supported"


def test_files_are_uploaded_listed_read_named_and_deleted(client, photo):
    files = client.files
    made = [
        files.create(
            file=photo,
            purpose="user_data",
            expires_after={"anchor": "created_at", "seconds": 3600},
        )
        for _ in range(3)
    ]
    listed = [each.id for each in islice(files.list(limit=2), 3)]
    video = client.videos.create_and_poll(
        **request_for(openai.omit, extra_body={"image": made[0].id, "num_frames": 9, "fps": 8}),
        poll_interval_ms=100,
    )

    assert listed == [each.id for each in made[::-1]]
    assert files.retrieve(made[0].id).filename == "face.jpg"
    assert files.content(made[0].id).read() == photo.read_bytes()
    assert video.status == "completed", video.error
    assert [files.delete(each.id).deleted for each in made] == [True] * 3
    with pytest.raises(openai.NotFoundError) as missing:
        files.retrieve(made[0].id)
    assert missing.value.code == "file_not_found"


class LosesAnswers(httpx2.HTTPTransport):
    """A network that carries the first request and loses its answer."""

    lost = 0

    def handle_request(self, request):
        answer = super().handle_request(request)
        if not self.lost:
            self.lost = 1
            answer.read()
            raise httpx2.ReadError("lost")
        return answer


def test_a_request_whose_answer_was_lost_makes_one_video(stack, photo):
    network = httpx2.Client(transport=LosesAnswers())
    with openai.OpenAI(
        base_url=f"{stack.url}/v1", api_key="not needed", http_client=network
    ) as client:
        prompt = f"lost {uuid4()}"
        video = client.videos.create(**request_for(photo, prompt=prompt))
        same = [each for each in client.videos.list(limit=20).data if each.prompt == prompt]
        key = {"Idempotency-Key": str(uuid4())}
        twice = [client.videos.create(**request_for(photo), extra_headers=key) for _ in range(2)]

    assert [each.id for each in same] == [video.id]
    assert twice[0].id == twice[1].id


async def made_by_async_client(url, photo):
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="not needed") as client:
        videos = client.videos
        done = await videos.create_and_poll(**request_for(photo), poll_interval_ms=100)
        content = await videos.download_content(done.id)
        listed = [each.id for each in (await videos.list(limit=1)).data]
        deleted = await videos.delete(done.id)
        return done, content.read(), listed, deleted


def test_the_async_client(stack, photo):
    done, content, listed, deleted = asyncio.run(made_by_async_client(stack.url, photo))

    assert done.status == "completed"
    assert frames_of(content) == (208, 304, 9)
    assert listed == [done.id]
    assert deleted.deleted


def test_a_file_has_the_fields_that_the_client_reads(client, photo):
    made = client.files.create(file=photo, purpose="vision")
    other = client.files.create(file=photo, purpose="user_data")
    done = client.files.wait_for_processing(made.id)
    oldest_first = [each.id for each in client.files.list(order="asc", limit=10_000)]

    assert type(made.created_at) is type(made.expires_at) is int
    assert (done.status, done.purpose, done.bytes) == (
        "processed",
        "vision",
        photo.stat().st_size,
    )
    assert oldest_first.index(made.id) + 1 == oldest_first.index(other.id)
    assert made.id in {each.id for each in client.files.list(purpose="vision")}
    assert other.id not in {each.id for each in client.files.list(purpose="vision")}
    assert client.files.with_raw_response.retrieve(made.id).parse() == done
    for each in (made, other):
        assert client.files.delete(each.id).deleted


def test_what_is_not_about_videos_is_refused_in_words(client):
    refused = [
        lambda: client.uploads.create(
            bytes=1, filename="a.mp4", mime_type="video/mp4", purpose="vision"
        ),
        lambda: client.images.generate(prompt="a cat"),
        lambda: client.chat.completions.create(
            model="preview-i2v", messages=[{"role": "user", "content": "hello"}]
        ),
        lambda: client.fine_tuning.jobs.list(),
        lambda: client.embeddings.create(model="preview-i2v", input="a cat"),
    ]
    for act in refused:
        with pytest.raises(openai.NotFoundError) as error:
            act()
        assert error.value.code == "not_supported"
        assert "/docs lists all paths" in error.value.message
    with pytest.raises(openai.APIStatusError) as kept:
        client.models.delete("preview-i2v")
    assert (kept.value.status_code, kept.value.code) == (405, "method_not_allowed")


def test_a_failed_video_says_why(videos, tmp_path, voice):
    cv2.imwrite(str(tmp_path / "no-face.png"), np.full((256, 256, 3), 90, np.uint8))
    failed = videos.create_and_poll(
        model="preview-lipsync",
        prompt="",
        input_reference=tmp_path / "no-face.png",
        extra_body={"audio_reference": {"audio_url": data_uri(voice)}},
        poll_interval_ms=100,
    )

    assert (failed.status, failed.error.code) == ("failed", "no_face")
    assert failed.error.message
    with pytest.raises(openai.ConflictError) as without:
        videos.download_content(failed.id)
    assert without.value.code == "job_without_result"


def test_options_of_a_call(client, photo):
    patient = client.with_options(timeout=60, max_retries=0).videos
    video = patient.create(**request_for(photo), extra_headers={"X-Request-Id": "call-1"})
    with patient.with_streaming_response.retrieve(video.id) as answer:
        assert answer.parse().id == video.id
    with patient.with_streaming_response.list(limit=1) as answer:
        assert answer.parse().data[0].id == video.id
    with pytest.raises(openai.UnprocessableEntityError, match="surprise") as unknown:
        patient.list(extra_query={"surprise": "1"})
    assert unknown.value.param == "query/surprise"
    done = patient.poll(video.id, poll_interval_ms=100)
    raw = patient.with_raw_response.download_content(done.id)
    etag = raw.headers["etag"]

    assert etag == f'"{hashlib.sha256(raw.content).hexdigest()}"'
    with pytest.raises(openai.APIStatusError) as known:
        patient.download_content(done.id, extra_headers={"If-None-Match": etag})
    assert known.value.status_code == 304
    part = patient.download_content(done.id, extra_headers={"Range": "bytes=0-99"})
    assert part.read() == raw.content[:100]


async def streamed_by_async_client(url, video_id, path):
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="not needed") as client:
        streamed = client.videos.with_streaming_response
        async with streamed.download_content(video_id) as answer:
            await answer.stream_to_file(path)
        files = [each.id async for each in client.files.list(limit=1)]
        models = [each.id async for each in client.models.list()]
        raw = await client.videos.with_raw_response.retrieve(video_id)
        return files, models, raw.parse().status


def test_streams_of_the_async_client(stack, videos, photo, tmp_path):
    done = videos.create_and_poll(**request_for(photo), poll_interval_ms=100)
    path = tmp_path / "video.mp4"
    files, models, status = asyncio.run(streamed_by_async_client(stack.url, done.id, path))

    assert frames_of(path.read_bytes()) == (208, 304, 9)
    assert status == "completed"
    assert "preview-i2v" in models
    assert isinstance(files, list)
