import pytest

from models.spec import Stage
from tests.models.preview_lipsync.preview_media import FACES

PHOTO = FACES["smiling"].path


class Canceled(Exception):
    pass


def test_a_cancel_passes_through_and_leaves_no_file(generate, tmp_path, short_voice):
    def cancel(stage, done=0, total=None, *, preview=None, notes=None, part=None):
        if stage is Stage.GENERATING and done == 5:
            raise Canceled

    with pytest.raises(Canceled):
        generate(short_voice, image=PHOTO, report=cancel)

    assert list(tmp_path.iterdir()) == []


def test_each_frame_is_reported_after_the_preparation(generate, short_voice):
    seen, previews = [], []

    def report(*step, preview=None):
        seen.append(step)
        previews.append(preview() if len(seen) == 20 else b"")

    generate(short_voice, image=PHOTO, report=report)

    assert previews[19].startswith(b"\xff\xd8")
    assert seen[0] == (Stage.PREPROCESSING,)
    assert seen[-1] == (Stage.GENERATING, 50, 50)
    assert [step[1] for step in seen if step[0] is Stage.GENERATING] == list(range(1, 51))


def test_the_same_input_gives_the_same_file(generate, short_voice):
    first = generate(short_voice, image=PHOTO, out="first.mp4")
    second = generate(short_voice, image=PHOTO, out="second.mp4")

    assert first.path.read_bytes() == second.path.read_bytes()


def test_max_side_and_fps_of_a_photo_are_applied(generate, short_voice):
    result = generate(short_voice, image=FACES["portrait"].path, max_side=300, fps=10)

    assert (result.width, result.height, result.frames) == (256, 300, 20)


def test_openness_zero_is_accepted(generate, short_voice):
    result = generate(short_voice, image=PHOTO, openness=0.0)

    assert result.notes == {"frames_without_face": 0, "frames_with_guessed_mouth": 0}


def test_the_sound_of_a_video_can_be_the_voice(generate, short_voice):
    result = generate(short_voice, image=PHOTO, out="speaker.mp4")

    again = generate(result.path, image=PHOTO)

    assert abs(again.duration_seconds - result.duration_seconds) <= 1 / 25
