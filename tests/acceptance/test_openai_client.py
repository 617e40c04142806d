"""OpenAI's own client, unchanged but for the address, against a running server."""

from __future__ import annotations

import io

import av
import openai
import pytest

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def videos(stack):
    with openai.OpenAI(base_url=f"{stack.url}/v1", api_key="not needed") as client:
        yield client.videos


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
    assert wrong.value.code == "invalid_input"
    assert lacking.value.code == "not_supported"
    assert deleted.deleted
    with pytest.raises(openai.NotFoundError):
        videos.retrieve(video.id)


def test_models_are_listed(stack):
    with openai.OpenAI(base_url=f"{stack.url}/v1", api_key="not needed") as client:
        assert "preview-i2v" in {model.id for model in client.models.list()}
