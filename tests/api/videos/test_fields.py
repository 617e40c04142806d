"""The field names of other servers, each with the input that it becomes."""

from __future__ import annotations

import json

import pytest

from models.catalog import CARDS
from tests.api.build import data_uri, png, pointers, problem, wav
from tests.jobs.build import job

I2V = {"model": "preview-i2v", "prompt": "the wind rises", "image_url": "https://example.com/a.png"}
LIPS = {
    "model": "preview-lipsync",
    "prompt": "",
    "image_url": "https://example.com/a.png",
    "audio_url": "https://example.com/a.wav",
}


def created(client, **fields):
    response = client.post("/v1/videos", json=fields)
    assert response.status_code == 200, response.text
    return response.json()


def input_of(sessions, video):
    return job(sessions, video["id"]).input


@pytest.mark.parametrize(
    ("given", "ours"),
    [
        ({"num_frames": 49}, {"frames": 49}),
        ({"seconds": "3", "fps": 16}, {"frames": 49, "fps": 16}),
        ({"seconds": 5}, {"frames": 81}),
        ({"seconds": "4", "num_frames": 17}, {"frames": 17}),
        ({"size": "832x480"}, {"width": 832, "height": 480}),
        ({"size": "auto"}, {"width": None}),
        ({"num_inference_steps": 8}, {"steps": 8}),
        ({"guidance_scale": 4.5, "guidance_scale_2": 3.0}, {"guidance": 4.5, "guidance_2": 3.0}),
        ({"flow_shift": 5.0}, {"shift": 5.0}),
        ({"seed": [7]}, {"seed": 7}),
        ({"negative_prompt": "blur"}, {"negative_prompt": "blur"}),
        (
            {"lora": {"name": "water", "scale": 0.5}},
            {"loras": [{"id": "water", "strength": 0.5, "strength_2": None}]},
        ),
        ({"extra_params": {"segments": 2}}, {"segments": 2}),
        ({"extra_body": '{"fit": "pad"}'}, None),
        ({"n": 1, "generate_sound": False, "enable_teacache": None}, {}),
    ],
)
def test_a_field_of_others_becomes_an_input(client, sessions, given, ours):
    if ours is None:  # a text is not an object in JSON
        response = client.post("/v1/videos", json=I2V | given)
        assert pointers(problem(response, 422, "invalid_input")) == ["/extra_body"]
        return

    found = input_of(sessions, created(client, **I2V | given))

    assert {name: found[name] for name in ours} == ours


@pytest.mark.parametrize(
    "given",
    [
        {"image_url": "https://example.com/a.png"},
        {"reference_url": "https://example.com/a.png"},
        {"input_reference": "https://example.com/a.png"},
        {"input_reference": {"image_url": "https://example.com/a.png"}},
        {"image_reference": {"image_url": "https://example.com/a.png"}},
        {"image": "https://example.com/a.png"},
    ],
)
def test_every_name_of_a_picture_is_known(client, sessions, given):
    video = created(client, model="preview-i2v", prompt="wind", **given)

    assert input_of(sessions, video)["image"] == "https://example.com/a.png"


@pytest.mark.parametrize(
    "given",
    [
        {"audio_reference": {"audio_url": "https://example.com/v.wav"}},
        {"audio_reference": [{"audio_url": "https://example.com/v.wav"}]},
        {"audio_url": "https://example.com/v.wav"},
    ],
)
@pytest.mark.parametrize("clip", [{"video_reference": {"video_url": "https://example.com/c.mp4"}}])
def test_lip_sync_takes_a_clip_and_a_voice(client, sessions, clip, given):
    video = created(client, model="preview-lipsync", **clip, **given)

    found = input_of(sessions, video)
    assert (found["video"], found["audio"]) == (
        "https://example.com/c.mp4",
        "https://example.com/v.wav",
    )


def test_what_changes_nothing_is_told(client):
    video = created(client, **LIPS | {"prompt": "she smiles", "size": "720x1280", "seconds": "4"})

    assert [note.partition(":")[0] for note in video["notes"]] == ["prompt", "size", "seconds"]
    assert created(client, **I2V | {"seconds": "3"})["notes"] == [
        "seconds: 49 frames, the nearest length that the model makes"
    ]


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        ({"n": 2}, "/n"),
        ({"enable_upscaling": True}, "/enable_upscaling"),
        ({"control_reference": {"a": 1}}, "/control_reference"),
        ({"generate_sound": True}, "/generate_sound"),
        ({"seed": [1, 2]}, "/seed"),
    ],
)
def test_what_is_missing_here_is_refused_and_not_tried_again(client, given, pointer):
    response = client.post("/v1/videos", json=I2V | given)

    assert pointers(problem(response, 400, "not_supported")) == [pointer]
    assert response.headers["x-should-retry"] == "false"


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        ({"size": "large"}, "/size"),
        ({"seconds": "soon"}, "/seconds"),
        ({"seconds": -1}, "/seconds"),
        ({"seconds": "nan"}, "/seconds"),
        ({"colour": "red"}, "/input/colour"),
        ({"num_inference_steps": 1000}, "/input/steps"),
        ({"image": "https://example.com/b.png"}, "/image"),
        ({"lora": {"path": "/etc/passwd"}}, "/lora"),
        ({"model": 7}, "/model"),
    ],
)
def test_a_wrong_value_is_refused_with_its_field(client, given, pointer):
    response = client.post("/v1/videos", json=I2V | given)

    assert pointers(problem(response, 422, "invalid_input")) == [pointer]


def test_a_model_must_be_named_where_there_are_several(client):
    answer = problem(client.post("/v1/videos", json={"prompt": "wind"}), 422, "invalid_input")

    assert pointers(answer) == ["/model"]
    assert "preview-i2v" in answer["detail"]


def test_the_only_model_need_not_be_named(start, sessions):
    client = start(models=("preview-i2v",))

    video = created(client, prompt="wind", image_url="https://example.com/a.png")

    assert video["model"] == "preview-i2v"


def test_a_form_with_bracket_keys_and_files(client, sessions, stored):
    response = client.post(
        "/v1/videos",
        data={
            "model": "preview-lipsync",
            "prompt": "",
            "openness": "0.5",
            "n": "1",
            "labels": json.dumps({"show": "42"}),
            "audio_reference[audio_url]": data_uri(wav()),
        },
        files={"input_reference": ("face.png", png(), "image/png")},
    )

    found = job(sessions, response.json()["id"])
    assert found.labels == {"show": "42"}
    assert found.input["openness"] == 0.5
    assert found.input["image"].startswith("file_")
    assert found.input["audio"].startswith("file_")
    assert len(stored()) == 2


def test_json_in_a_form(client, sessions):
    fields = {
        "model": "preview-i2v",
        "prompt": "true",
        "image_reference": '{"image_url": "https://example.com/a.png"}',
        "extra_params": '{"segments": 2}',
        "num_inference_steps": "6",
    }

    response = client.post("/v1/videos", files={key: (None, text) for key, text in fields.items()})

    assert response.status_code == 200, response.text
    found = job(sessions, response.json()["id"]).input
    assert found["prompt"] == "true"
    assert (found["segments"], found["steps"]) == (2, 6)


@pytest.mark.parametrize("name", ["a[b]c", "[a]", "a]", "a[b", "prompt", "lora[x]"])
def test_a_wrong_name_in_a_form_is_refused(client, name):
    fields = [("model", "preview-i2v"), ("prompt", "wind"), ("lora[]", "x"), (name, "1")]

    response = client.post("/v1/videos", files=[(key, (None, value)) for key, value in fields])

    assert response.status_code == 422


@pytest.mark.parametrize("card", CARDS.values(), ids=lambda card: card.name)
def test_the_length_of_a_model_is_one_that_it_takes(card):
    for seconds in (0.1, 1, 2.5, 5):
        frames = card.input.frames_for(seconds, None)
        assert frames is None or frames % 4 == 1
