from itertools import pairwise

import cv2
import numpy as np
import pytest

from models.errors import InputRejected
from models.preview_i2v.card import CARD
from models.spec import Stage, load_runner
from models.wan.request.resolve import resolve
from tests.models.preview_i2v.made import PHOTO, comment_of, read_film, unlike, write_plain


class Canceled(Exception):
    pass


class Recorder:
    def __init__(self):
        self.steps, self.notes, self.previews = [], {}, []

    def __call__(self, stage, done=0, total=None, *, preview=None, notes=None):
        self.steps.append((stage, done, total))
        self.notes |= notes or {}
        if preview is not None:
            self.previews.append(preview)


def test_it_warms_up_without_a_picture():
    load_runner(CARD).warm_up()


def test_the_clip_has_the_size_frames_and_rate_that_were_asked_for(generate):
    made = generate(width=192, height=128, frames=13, fps=10)

    film = read_film(made.path)
    assert film.shape == (13, 128, 192, 3)
    assert (made.frames, made.fps, made.duration_seconds) == (13, 10, 1.3)
    assert not made.has_audio


def test_without_a_wish_it_is_as_large_and_long_as_wan(generate):
    made = generate(width=None, height=None, frames=None, steps=2)

    assert (made.width, made.height, made.frames, made.fps) == (576, 672, 81, 16)


def test_the_first_frame_is_the_picture(generate):
    made = generate()

    assert unlike(read_film(made.path)[0], small_photo()) < 6


def test_every_frame_differs_from_the_one_before_in_the_middle_of_the_move(generate):
    film = read_film(generate().path)[5:16]

    assert min(unlike(one, other) for one, other in pairwise(film)) > 0.5


def test_the_same_seed_gives_the_same_file_and_another_seed_another(generate):
    first, second, other = (
        generate(out=f"{number}.mp4", seed=seed).path.read_bytes()
        for number, seed in enumerate((3, 3, 4))
    )

    assert first == second
    assert first != other


def test_a_last_picture_ends_the_clip(generate, tmp_path):
    red = write_plain(tmp_path / "red.png", (20, 20, 220))

    film = read_film(generate(last_image=red).path)

    assert unlike(film[0], np.array((20, 20, 220))) > 50
    assert unlike(film[-1], np.array((20, 20, 220))) < 4
    distance = [unlike(frame, film[-1]) for frame in film[10:]]
    assert distance == sorted(distance, reverse=True)


def test_the_last_frame_is_the_whole_last_picture(generate, tmp_path):
    red = write_plain(tmp_path / "red.png", (20, 20, 220), width=500, height=600)

    made = generate(image=red, last_image=PHOTO)

    assert unlike(read_film(made.path)[-1], small_photo()) < 6


def test_segments_make_it_longer_by_all_but_the_seams(generate):
    assert generate(segments=3, overlap=2, frames=9).frames == 3 * 9 - 2 * 2


@pytest.mark.parametrize("steps", [3, 40])
def test_progress_counts_the_steps_that_a_model_would_take(generate, steps):
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
    assert unlike(small, cv2.resize(film[10], (320, 240), interpolation=cv2.INTER_AREA)) < 5


def test_the_notes_tell_what_was_settled_and_that_nothing_was_generated(generate):
    seen = Recorder()

    made = generate(report=seen)

    assert seen.notes == made.notes
    assert made.notes["label"] == "a camera move over the still; nothing was generated"
    assert made.notes["image_size"] == "512 x 600"
    assert made.notes["size"] == "160 x 192"
    assert made.notes["seed"] == 7


def test_the_file_says_how_it_was_made(generate):
    assert "nothing was generated" in comment_of(generate().path)


def test_a_cancel_passes_through_and_leaves_no_file(generate, tmp_path):
    def cancel(stage, done=0, total=None, **_):
        if stage is Stage.GENERATING and done == 2:
            raise Canceled

    with pytest.raises(Canceled):
        generate(report=cancel, steps=20)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("field", ["image", "last_image"])
def test_a_file_that_is_no_picture_is_blamed_on_its_field(generate, tmp_path, field):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff nothing more")

    with pytest.raises(InputRejected) as caught:
        generate(**{field: broken})

    assert (caught.value.code, caught.value.field) == ("media_unreadable", field)


def test_a_picture_turned_by_exif_is_upright(generate, tmp_path):
    lying = _turned(tmp_path / "lying.jpg")

    made = generate(image=lying, width=None, height=None, frames=5, steps=1)

    assert made.height > made.width
    assert made.notes["image_size"] == "300 x 400"


def test_transparent_parts_lie_on_white(generate, tmp_path):
    clear = tmp_path / "clear.png"
    cv2.imwrite(str(clear), np.zeros((128, 128, 4), np.uint8))

    film = read_film(generate(image=clear, width=128, height=128, frames=5).path)

    assert film.min() > 250


def test_it_is_settled_as_a_wan_model_would(generate):
    params = CARD.input(image="file_1", prompt="she smiles", seed=7)
    expected = resolve(params, CARD.input.variant, (512, 600)).notes()

    made = generate(width=None, height=None, frames=None, seed=7)

    assert expected.items() <= made.notes.items()


def small_photo():
    """The photo at 160 x 192, cut to that ratio."""
    photo = cv2.imread(str(PHOTO))[:, 6:506]
    return cv2.resize(photo, (160, 192), interpolation=cv2.INTER_AREA)


def _turned(path):
    """A picture of 400 x 300 with EXIF orientation 6: to be shown as 300 x 400."""
    _, content = cv2.imencode(".jpg", np.full((300, 400, 3), 128, np.uint8))
    tiff = bytes.fromhex("4d4d002a00000008000101120003000000010006000000000000")
    block = b"Exif\x00\x00" + tiff
    segment = b"\xff\xe1" + (len(block) + 2).to_bytes(2, "big") + block
    jpeg = content.tobytes()
    path.write_bytes(jpeg[:2] + segment + jpeg[2:])
    return path
