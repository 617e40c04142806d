from itertools import pairwise

import cv2
import numpy as np
import pytest

from models.errors import InputRejected
from models.preview_i2v.card import CARD
from models.spec import Stage, load_runner
from models.wan.request.resolve import resolve
from tests.models.preview_i2v.media import (
    PHOTO,
    comment_of,
    mean_difference,
    read_film,
    write_plain,
)


class Canceled(Exception):
    pass


class Recorder:
    def __init__(self):
        self.steps, self.notes, self.previews = [], {}, []

    def __call__(self, stage, done=0, total=None, *, preview=None, notes=None, part=None):
        self.steps.append((stage, done, total))
        self.notes |= notes or {}
        if preview is not None:
            self.previews.append(preview)


def test_warm_up_needs_no_image():
    load_runner(CARD).warm_up()


def test_the_video_has_the_requested_size_frame_count_and_rate(generate):
    result = generate(width=192, height=128, frames=13, fps=10)

    film = read_film(result.path)
    assert film.shape == (13, 128, 192, 3)
    assert (result.frames, result.fps, result.duration_seconds) == (13, 10, 1.3)
    assert not result.has_audio


def test_the_default_size_and_length_are_those_of_wan(generate):
    result = generate(width=None, height=None, frames=None, steps=2)

    assert (result.width, result.height, result.frames, result.fps) == (576, 672, 81, 16)


def test_the_first_frame_is_the_image(generate):
    result = generate()

    assert mean_difference(read_film(result.path)[0], small_photo()) < 6


def test_consecutive_frames_differ_in_the_middle_of_the_move(generate):
    film = read_film(generate().path)[5:16]

    assert min(mean_difference(one, other) for one, other in pairwise(film)) > 0.5


def test_the_same_seed_gives_the_same_file_and_another_seed_another(generate):
    first, second, other = (
        generate(out=f"{number}.mp4", seed=seed).path.read_bytes()
        for number, seed in enumerate((3, 3, 4))
    )

    assert first == second
    assert first != other


def test_the_video_fades_to_the_last_image(generate, tmp_path):
    red = write_plain(tmp_path / "red.png", (20, 20, 220))

    film = read_film(generate(last_image=red).path)

    assert mean_difference(film[0], np.array((20, 20, 220))) > 50
    assert mean_difference(film[-1], np.array((20, 20, 220))) < 4
    distance = [mean_difference(frame, film[-1]) for frame in film[10:]]
    assert distance == sorted(distance, reverse=True)


def test_the_last_frame_is_the_whole_last_image(generate, tmp_path):
    red = write_plain(tmp_path / "red.png", (20, 20, 220), width=500, height=600)

    result = generate(image=red, last_image=PHOTO)

    assert mean_difference(read_film(result.path)[-1], small_photo()) < 6


def test_segments_add_frames_except_their_overlap(generate):
    assert generate(segments=3, overlap=2, frames=9).frames == 3 * 9 - 2 * 2


@pytest.mark.parametrize("steps", [3, 40])
def test_progress_counts_the_denoising_steps_of_a_wan_model(generate, steps):
    seen = Recorder()

    generate(report=seen, steps=steps, segments=2, frames=9)

    stages = list(dict.fromkeys(stage for stage, _, _ in seen.steps))
    counted = [step[1:] for step in seen.steps if step[0] is Stage.GENERATING]
    assert stages == [Stage.PREPROCESSING, Stage.GENERATING, Stage.ENCODING]
    assert counted == sorted(counted)
    assert counted[-1] == (2 * steps, 2 * steps)
    assert seen.steps[-1] == (Stage.ENCODING, 1, 1)


def test_a_preview_is_a_small_jpeg_of_the_frame(generate):
    seen = Recorder()

    film = read_film(generate(report=seen, width=640, height=480).path)

    small = cv2.imdecode(np.frombuffer(seen.previews[10](), np.uint8), cv2.IMREAD_COLOR)
    assert max(small.shape) == 320
    assert (
        mean_difference(small, cv2.resize(film[10], (320, 240), interpolation=cv2.INTER_AREA)) < 5
    )


def test_the_notes_contain_the_resolved_request_and_the_label(generate):
    seen = Recorder()

    result = generate(report=seen)

    assert seen.notes == result.notes
    assert result.notes["label"] == "a camera move over the still; nothing was generated"
    assert result.notes["image_size"] == "512 x 600"
    assert result.notes["size"] == "160 x 192"
    assert result.notes["seed"] == 7


def test_the_metadata_says_that_nothing_was_generated(generate):
    assert "nothing was generated" in comment_of(generate().path)


def test_a_cancel_leaves_no_file(generate, tmp_path):
    def cancel(stage, done=0, total=None, **_):
        if stage is Stage.GENERATING and done == 2:
            raise Canceled

    with pytest.raises(Canceled):
        generate(report=cancel, steps=20)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("field", ["image", "last_image"])
def test_the_error_for_a_broken_image_names_its_field(generate, tmp_path, field):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff nothing more")

    with pytest.raises(InputRejected) as caught:
        generate(**{field: broken})

    assert (caught.value.code, caught.value.field) == ("media_unreadable", field)


def test_exif_orientation_is_applied(generate, tmp_path):
    rotated = _rotated_jpeg(tmp_path / "rotated.jpg")

    result = generate(image=rotated, width=None, height=None, frames=5, steps=1)

    assert result.height > result.width
    assert result.notes["image_size"] == "300 x 400"


def test_transparency_is_composited_on_white(generate, tmp_path):
    clear = tmp_path / "clear.png"
    cv2.imwrite(str(clear), np.zeros((128, 128, 4), np.uint8))

    film = read_film(generate(image=clear, width=128, height=128, frames=5).path)

    assert film.min() > 250


def test_the_request_is_resolved_as_for_a_wan_model(generate):
    params = CARD.input(image="file_1", prompt="she smiles", seed=7)
    expected = resolve(params, CARD.input.variant, (512, 600)).notes()

    result = generate(width=None, height=None, frames=None, seed=7)

    assert expected.items() <= result.notes.items()


def small_photo():
    """The photo at 160 x 192, cut to that ratio."""
    photo = cv2.imread(str(PHOTO))[:, 6:506]
    return cv2.resize(photo, (160, 192), interpolation=cv2.INTER_AREA)


def _rotated_jpeg(path):
    """An image of 400 x 300 with EXIF orientation 6, displayed as 300 x 400."""
    _, content = cv2.imencode(".jpg", np.full((300, 400, 3), 128, np.uint8))
    tiff = bytes.fromhex("4d4d002a00000008000101120003000000010006000000000000")
    block = b"Exif\x00\x00" + tiff
    segment = b"\xff\xe1" + (len(block) + 2).to_bytes(2, "big") + block
    jpeg = content.tobytes()
    path.write_bytes(jpeg[:2] + segment + jpeg[2:])
    return path
