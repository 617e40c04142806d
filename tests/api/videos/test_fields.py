"""The field names of other servers, each with the input that it becomes."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path

import pytest

from models.catalog import CARDS
from tests.api.build import data_uri, png, pointers, problem, wav
from tests.jobs.build import job

ROOT = Path(__file__).parents[3]
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
        ({"num_frames": 80}, {"frames": 81}),
        ({"guidance_scale": 1, "guidance_scale_2": 1.0}, {"guidance": 1.0, "guidance_2": None}),
        ({"boundary_ratio": 0.875, "extra_params": {"sample_solver": "euler"}}, {}),
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
        ({"video_params": {}, "diffusers_kwargs": "{}", "source_video": []}, {}),
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


def test_an_uploaded_file_is_named_by_its_id(client, sessions):
    file = client.post("/v1/files", files={"file": ("a.png", png())}).json()["id"]
    video = created(client, model="preview-i2v", prompt="x", input_reference={"file_id": file})

    assert input_of(sessions, video)["image"] == file


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
        ({"boundary_ratio": 0.5}, "/boundary_ratio"),
        ({"sample_solver": "ddim"}, "/sample_solver"),
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
        ({"num_frames": 1000}, "/input/frames"),
        ({"num_frames": "many"}, "/input/frames"),
        ({"num_frames": 5.5}, "/input/frames"),
        ({"image": "https://example.com/b.png"}, "/image"),
        ({"lora": {"path": "/etc/passwd"}}, "/lora"),
        ({"model": 7}, "/model"),
    ],
)
def test_a_wrong_value_is_refused_with_its_field(client, given, pointer):
    response = client.post("/v1/videos", json=I2V | given)

    assert pointers(problem(response, 422, "invalid_input")) == [pointer]


def test_settings_that_a_model_does_not_have_are_told(client, sessions):
    given = {"num_inference_steps": 40, "guidance_scale": 4.5, "width": 832, "num_frames": 80}

    notes = created(client, **LIPS | given | {"negative_prompt": "blur"})["notes"]

    assert sorted(note.partition(":")[0] for note in notes) == sorted([*given, "negative_prompt"])
    assert "preview-lipsync has no such option" in notes[0]


def test_a_model_must_be_named_where_there_are_several(client):
    answer = problem(client.post("/v1/videos", json={"prompt": "wind"}), 400, "model_required")

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


FORM = [("model", "preview-i2v"), ("prompt", "wind"), ("image", "https://example.com/a.png")]


def post_form(client, *fields, headers=None):
    parts = [(name, (None, value)) for name, value in (*FORM, *fields)]
    return client.post("/v1/videos", files=parts, headers=headers)


@pytest.mark.parametrize(
    ("field", "pointer"),
    [
        (("lora[scale]", "abc"), "/input/loras/0/strength"),
        (("lora[scale][q]", "1"), "/input/loras/0/strength"),
        (("seed" + "[b]" * 40, "1"), "/seed"),
        (("a[][]", "7"), "/input/a"),
        (("seconds[a]", "7"), "/seconds"),
        (("size[a]", "7"), "/size"),
    ],
)
def test_a_wrong_value_in_a_form_is_refused_with_its_field(client, field, pointer):
    given = [("lora[name]", "x")] if field[0].startswith("lora") else []

    answer = problem(post_form(client, *given, field), 422, "invalid_input")

    assert pointers(answer)[0].startswith(pointer.partition("[")[0])


def test_a_name_that_cannot_be_stored_is_refused(client):
    body = b'--x\r\nContent-Disposition: form-data; name="labels[a\0b]"\r\n\r\n7\r\n--x--\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=x"}

    answer = problem(client.post("/v1/videos", content=body, headers=headers), 422, "invalid_input")

    assert "name of a field" in answer["detail"]


@pytest.mark.parametrize("name", ["lora", "lora[]", "quality", "seed[a]", "audio"])
def test_a_file_stands_in_a_media_field_only(client, name):
    fields = [(key, (None, value)) for key, value in FORM]

    response = client.post("/v1/videos", files=[*fields, (name, ("a.png", png()))])

    assert response.status_code == 422


def test_lists_of_objects_in_a_form(client, sessions):
    response = post_form(client, ("loras[][id]", "one"), ("loras[][id]", "two"))

    found = job(sessions, response.json()["id"]).input["loras"]
    assert [each["id"] for each in found] == ["one", "two"]


@pytest.mark.parametrize("value", [True, "1_0", "\uff15", 10**400, [], "1e3", "inf"])
def test_seconds_are_a_plain_number(client, value):
    response = client.post("/v1/videos", json=I2V | {"seconds": value})

    assert pointers(problem(response, 422, "invalid_input")) == ["/seconds"]


def test_the_rate_may_be_a_whole_float(client, sessions):
    video = created(client, **I2V | {"seconds": 2, "fps": 24.0})

    assert input_of(sessions, video)["frames"] == 49


def test_seconds_beside_frames_are_told_to_be_ignored(client):
    notes = created(client, **I2V | {"seconds": 2, "num_frames": 17})["notes"]

    assert notes == ["seconds: ignored, because the number of frames is given"]


def test_a_long_data_uri_of_a_clip_is_a_clip(client, sessions):
    padded = (ROOT / "models/examples/clip.mp4").read_bytes() + b"\0\1\x38\x88free" + bytes(80_000)
    clip = f"data:video/mp4;base64,{b64encode(padded).decode()}"
    fields = {"model": "preview-lipsync", "audio_url": "https://example.com/v.wav"}

    video = created(client, **fields, input_reference=clip)

    assert input_of(sessions, video)["video"].startswith("file_")


@pytest.mark.parametrize("count", ["²", "9" * 5000, "-1", "x"])
def test_an_odd_count_of_retries_is_no_retry(client, count):
    headers = {"x-stainless-retry-count": count.encode("latin-1")}
    first = client.post("/v1/videos", json=I2V | {"seed": 5})
    second = client.post("/v1/videos", json=I2V | {"seed": 5}, headers=headers)

    assert second.status_code == 200
    assert second.json()["id"] != first.json()["id"]


@pytest.mark.parametrize("after", ["\0", "x", "", "job_"])
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_a_list_begins_after_an_id(client, after, order):
    answer = client.get("/v1/videos", params={"after": after, "order": order})

    assert pointers(problem(answer, 422, "invalid_cursor")) == ["/query/after"]


def test_the_type_of_json_is_known_in_any_case(client):
    headers = {"Content-Type": "APPLICATION/JSON"}

    answer = client.post("/v1/videos", content=json.dumps(I2V), headers=headers)

    assert answer.status_code == 200


@pytest.mark.parametrize("body", ["[]", "1", "null", '"a"'])
def test_a_body_is_an_object(client, body):
    headers = {"Content-Type": "application/json"}

    answer = problem(client.post("/v1/videos", content=body, headers=headers), 422, "invalid_input")

    assert answer["detail"] == "The body must be a JSON object."


@pytest.mark.parametrize("card", CARDS.values(), ids=lambda card: card.name)
def test_the_length_of_a_model_is_one_that_it_takes(card):
    for seconds in (0.1, 1, 2.5, 5):
        frames = card.input.frames_for(seconds, None)
        assert frames is None or frames % 4 == 1
