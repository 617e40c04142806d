"""Submissions, as the documentation of other servers writes them, are accepted as they are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.api.build import png, wav
from tests.api.videos.documented_lines import LINES
from tests.jobs.build import job, submitted

CLIP = Path(__file__).parents[3] / "models/examples/clip.mp4"


@pytest.fixture
def media(tmp_path):
    picture = tmp_path / "picture.png"
    picture.write_bytes(png(832, 480))
    mask, voice = tmp_path / "mask.json", tmp_path / "voice.wav"
    mask.write_text("0.5")
    voice.write_bytes(wav())
    return {".png": picture, ".jpg": picture, ".mp4": CLIP, ".json": mask, ".wav": voice}


SUBMISSIONS = [line for line in LINES if line.model and not line.waits]
OTHERS = [line for line in LINES if not line.model and "/content" not in line.text]


@pytest.mark.parametrize("line", SUBMISSIONS, ids=str)
def test_a_documented_submission(line, server, sessions, media, tmp_path):
    folder = tmp_path / "written"
    folder.mkdir()
    shown = line.run(server, folder, media)
    answer = json.loads(shown or next(folder.iterdir()).read_bytes())

    if line.refused:
        assert line.refused in [error["pointer"] for error in answer["errors"]]
        return
    assert (answer["object"], answer["status"]) == ("video", "queued"), answer
    assert job(sessions, answer["id"]).model == line.model


@pytest.mark.parametrize("line", OTHERS, ids=str)
def test_a_documented_request_about_a_video(line, server, sessions, media, tmp_path):
    video_id = submitted(sessions)

    answer = json.loads(line.run(server, tmp_path, media, video_id))

    found = [one["id"] for one in answer["data"]] if "data" in answer else [answer["id"]]
    assert video_id in found
    if "/cancel" in line.text:
        assert answer["error"]["code"] == "canceled"
    if "DELETE" in line.text:
        assert answer["deleted"]


def test_notes_tell_what_was_ignored_or_rounded(server, media, tmp_path):
    def notes(model):
        wanted = [one for one in SUBMISSIONS if one.model == model and "num_frames=80" in one.text]
        line = next(one for one in wanted if not one.refused)
        return json.loads(line.run(server, tmp_path, media))["notes"]

    assert notes("preview-i2v") == [
        "num_frames: 81 frames, the nearest length that the model makes"
    ]
    assert [note.partition(":")[0] for note in notes("inspyrenet-video")] == [
        "prompt",
        "width",
        "height",
        "num_frames",
        "fps",
    ]
