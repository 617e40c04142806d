"""Face selection, frames without a face, and the face cache, with real faces and detection."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from models.errors import InputRejected
from models.faces.cache import FaceTrackCache
from models.faces.detection.haar import HaarDetector
from models.faces.detection.tilted import TiltedDetector
from models.lipsync.face_frames import FaceFrames
from models.lipsync.input import Input
from tests.models.lipsync.harness import Counting, film, portrait, run, voice
from tests.models.video import media

HEIGHT, WIDTH = 240, 200
TITLE = np.full((HEIGHT, WIDTH, 3), (90, 40, 30), np.uint8)
ALL = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1)
"""Bursts so dense that every frame has a loud sound: every face becomes white."""


@pytest.fixture(scope="module")
def face():
    return portrait("portrait", WIDTH, HEIGHT)


@pytest.fixture(scope="module")
def other():
    """Another person in another place."""
    moved = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    moved[:, 30:] = cv2.flip(portrait("smiling", 240, HEIGHT), 1)[:, 20:190]
    return moved


@pytest.fixture(scope="module")
def couple(face, other):
    """Two people side by side, the larger face on the left."""
    pair = np.full((HEIGHT, 2 * WIDTH, 3), 128, np.uint8)
    pair[:, :WIDTH] = face
    pair[60:204, WIDTH + 40 : WIDTH + 160] = cv2.resize(face, (120, 144))
    return pair


@pytest.fixture
def audio(tmp_path):
    return voice(tmp_path / "voice.wav", 1.2, ALL)


def job(folder, audio, pictures, **options):
    clip = media.clip(folder / "clip.mp4", pictures)
    options.setdefault("detector", Counting())
    result = run(folder, audio, video=clip, **options)
    return result, [frame for _, frame in film(result.path)]


def changed(frames, pictures):
    """Where each frame differs from its source: left and right end, or None."""
    ends = []
    for frame, picture in zip(frames, pictures, strict=False):
        columns = np.flatnonzero(
            (np.abs(frame.astype(int) - picture).mean(axis=2) > 40).sum(0) > 15
        )
        ends.append((int(columns[0]), int(columns[-1])) if len(columns) else None)
    return ends


def test_title_cards_before_and_after_a_face_are_unchanged(tmp_path, audio, face):
    pictures = [*[TITLE] * 8, *[face] * 14, *[TITLE] * 8]

    result, frames = job(tmp_path, audio, pictures)

    spoken = [ends is not None for ends in changed(frames, pictures)]
    assert spoken == [*[False] * 8, *[True] * 14, *[False] * 8]
    assert result.notes == {
        "frames": 30,
        "frames_with_face": 14,
        "frames_with_interpolated_face": 0,
        "frames_without_face": 16,
        "scene_cuts": 2,
        "detector": Counting().name,
        "fps_in": "25",
        "fps_out": "25",
    }


def test_after_a_cut_the_face_of_the_new_scene_is_animated(tmp_path, audio, face, other):
    pictures = [*[face] * 15, *[other] * 15]

    result, frames = job(tmp_path, audio, pictures)

    ends = changed(frames, pictures)
    assert result.notes["scene_cuts"] == 1
    assert result.notes["frames_with_face"] == 30
    assert len({tuple(int(e) // 8 for e in end) for end in ends}) == 2
    assert np.ptp([left for left, _ in ends[:15]]) <= 3
    assert np.ptp([left for left, _ in ends[15:]]) <= 3


@pytest.mark.parametrize(
    ("choice", "left"),
    [
        ("largest", True),
        (0, True),
        (1, False),
        ({"top": 80, "bottom": 180, "left": 260, "right": 340}, False),
    ],
    ids=["largest", "first", "second", "rectangle"],
)
def test_the_selected_one_of_two_people_is_animated(tmp_path, audio, couple, choice, left):
    pictures = [couple] * 30

    _, frames = job(tmp_path, audio, pictures, face=choice)

    ends = changed(frames, pictures)
    assert {(begin < WIDTH, end < WIDTH) for begin, end in ends} == {(left, left)}


def test_the_most_central_of_two_people_is_animated(tmp_path, audio, couple):
    shifted = np.roll(couple, -80, axis=1)
    pictures = [shifted] * 30

    _, frames = job(tmp_path, audio, pictures, face="central")

    assert all(end[0] > 150 for end in changed(frames, pictures))


def test_a_rectangle_in_a_scaled_video_selects_the_same_face(tmp_path, audio, couple):
    small = cv2.resize(couple, (200, 120), interpolation=cv2.INTER_AREA)
    right = {"top": 80, "bottom": 180, "left": 260, "right": 340}

    _, frames = job(tmp_path, audio, [couple] * 30, face=right, max_side=200)

    assert all(end[0] > 100 for end in changed(frames, [small] * 30))


def test_missing_faces_fail_the_run_if_the_request_says_so(tmp_path, audio, face):
    with pytest.raises(InputRejected) as refused:
        job(tmp_path, audio, [*[face] * 10, *[TITLE] * 20], missing_faces="fail")

    assert (refused.value.code, refused.value.field) == ("no_face", "video")
    assert not (tmp_path / "out.mp4").exists()


def test_a_video_without_a_face_is_refused_and_leaves_no_file(tmp_path, audio):
    with pytest.raises(InputRejected) as refused:
        job(tmp_path, audio, [TITLE] * 12)

    assert (refused.value.code, refused.value.field) == ("no_face", "video")
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize("loop", ["ping_pong", "repeat", "hold"])
def test_a_video_without_a_face_fails_after_its_first_pass(tmp_path, audio, loop):
    detector = Counting()

    with pytest.raises(InputRejected):
        job(tmp_path, audio, [TITLE] * 6, detector=detector, loop=loop)

    assert detector.searches <= 3


def test_a_face_in_the_last_frame_of_a_looped_video_is_enough(tmp_path, audio, face):
    result, _ = job(tmp_path, audio, [*[TITLE] * 8, face], loop="repeat")

    assert result.notes["frames_with_face"] > 0


def test_a_short_gap_is_interpolated(tmp_path, audio, face):
    hidden = face.copy()
    hidden[60:150, 50:150] = cv2.GaussianBlur(face, (0, 0), 12)[60:150, 50:150]
    pictures = [*[face] * 12, *[hidden] * 5, *[face] * 13]

    result, frames = job(tmp_path, audio, pictures, search_every=1)

    assert result.notes["frames_with_interpolated_face"] > 0
    assert result.notes["frames_without_face"] == 0
    assert all(changed(frames, pictures))


def test_the_second_run_of_a_video_uses_the_cached_faces(tmp_path, audio, face):
    pictures, boxes = [*[TITLE] * 5, *[face] * 25], FaceTrackCache(tmp_path / "boxes")
    detectors = [Counting(), Counting()]

    runs = [job(tmp_path, audio, pictures, detector=one, track_cache=boxes) for one in detectors]

    assert detectors[0].searches > 20
    assert detectors[1].searches == 0
    assert runs[0][0].notes == runs[1][0].notes
    assert np.array_equal(runs[0][1], runs[1][1])


@pytest.mark.parametrize(
    "other", [{"face": "central"}, {"max_side": 128}, {"smoothing": False}, {"search_every": 5}]
)
def test_another_face_selection_is_a_cache_miss(tmp_path, audio, face, other):
    boxes, detector = FaceTrackCache(tmp_path / "boxes"), Counting()
    job(tmp_path, audio, [face] * 30, track_cache=boxes)

    job(tmp_path, audio, [face] * 30, track_cache=boxes, detector=detector, **other)

    assert detector.searches > 0


def test_another_loop_mode_is_a_cache_miss(tmp_path, audio, face, other):
    pictures, boxes = [*[face] * 6, *[other] * 6], FaceTrackCache(tmp_path / "boxes")
    job(tmp_path, audio, pictures, track_cache=boxes, loop="repeat")
    detector = Counting()

    result, _ = job(
        tmp_path, audio, pictures, track_cache=boxes, detector=detector, loop="ping_pong"
    )

    assert detector.searches > 0
    assert result.notes["scene_cuts"] == 3


def test_the_face_of_a_photo_is_detected_once(tmp_path, audio, face):
    photo, detector = tmp_path / "face.png", Counting()
    cv2.imwrite(str(photo), face)

    result = run(tmp_path, audio, image=photo, detector=detector)

    assert (result.frames, detector.searches) == (30, 1)
    assert result.notes["frames_with_face"] == 30


@pytest.mark.parametrize("turns", [1, 3])
def test_a_face_on_its_side_is_animated_upright(tmp_path, audio, face, turns):
    """The white face covers a rectangle that is as long as the head, from its forehead down."""
    pictures = [np.ascontiguousarray(np.rot90(face, turns))] * 30
    upright, _ = job(tmp_path, audio, [face] * 30, detector=TiltedDetector(HaarDetector()))
    before = [frame for _, frame in film(upright.path)]

    result, after = job(tmp_path, audio, pictures, detector=TiltedDetector(HaarDetector()))

    assert result.notes["frames_with_face"] == 30
    turned_back = np.rot90(after[20], -turns)
    same = (changes(turned_back, face) == changes(before[20], face)).mean()
    assert same > 0.9


def changes(frame, picture):
    return np.abs(frame.astype(int) - picture).mean(axis=2) > 40


@pytest.mark.parametrize("field", ["region", "face"])
def test_a_rectangle_outside_the_frame_is_refused(tmp_path, audio, face, field):
    outside = {"top": 0, "bottom": 100, "left": 150, "right": 201}

    with pytest.raises(InputRejected) as refused:
        job(tmp_path, audio, [face] * 5, **{field: outside})

    assert (refused.value.code, refused.value.field) == ("invalid_input", field)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG", "TIFF"])
def test_a_rectangle_is_measured_in_the_upright_photo(tmp_path, audio, kind):
    """Stored as 240 x 120 and turned by EXIF: 120 x 240."""
    photo, exif = tmp_path / "face", Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (240, 120), "teal").save(photo, kind, exif=exif)
    low, wide = ({"top": 150, "left": 20} | edges for edges in (EDGES, EDGES | {"right": 200}))

    assert run(tmp_path, audio, image=photo, region=low).frames == 30
    with pytest.raises(InputRejected, match="120 x 240"):
        run(tmp_path, audio, image=photo, region=wide)


def test_a_rectangle_that_vanishes_in_the_result_is_refused(tmp_path, audio):
    """16 pixels of 8192 are a quarter of one in a result of 128."""
    photo = tmp_path / "face.png"
    Image.new("RGB", (8192, 64), "teal").save(photo)
    corner = {"top": 0, "bottom": 16, "left": 0, "right": 16}

    with pytest.raises(InputRejected, match="less than 4 pixels") as refused:
        run(tmp_path, audio, image=photo, max_side=128, region=corner)

    assert (refused.value.code, refused.value.field) == ("invalid_input", "region")


EDGES = {"bottom": 230, "right": 100}


@pytest.mark.parametrize(("kind", "max_side"), [("PNG", 1280), ("JPEG", 3840)])
def test_a_rectangle_is_measured_in_a_large_photo_as_sent(tmp_path, audio, kind, max_side):
    """8192 x 6144 are decoded at 7302 x 5477, a JPEG at 4096 x 3072."""
    photo = tmp_path / "face"
    Image.new("RGB", (8192, 6144), "teal").save(photo, kind)
    low = {"top": 4096, "bottom": 6144, "left": 6144, "right": 8192}
    params = Input(image="", audio="", region=low, max_side=max_side)

    (tracked,) = FaceFrames(params, {"image": photo}, HaarDetector()).tracked(1)

    width = tracked.frame.shape[1]
    assert tracked.box.x == pytest.approx(width * 0.75, abs=1)
    assert tracked.box.x + tracked.box.w == pytest.approx(width, abs=1)
    with pytest.raises(InputRejected, match="8192 x 6144"):
        run(tmp_path, audio, image=photo, region=low | {"right": 8193})
