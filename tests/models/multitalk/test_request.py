"""Input, sizes, clips and regions of talking pictures."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from models.errors import InputRejected
from models.faces.box import Box
from models.lipsync.input import Region
from models.multitalk.request import regions, sizes
from models.multitalk.request.input import Input, VideoInput
from models.multitalk.request.resolve import ClipPlan, resolve
from models.multitalk.sampling import region_masks
from models.multitalk.variants import INFINITETALK, MULTITALK
from models.video.guarded.photo import Photo
from models.wan.request.framing import frame_image

BOX = {"top": 0, "bottom": 40, "left": 0, "right": 40}
PICTURE = Photo(np.zeros((100, 200, 3), np.uint8), width=200, height=100)


def request(**values):
    return Input(**{"image": "", "audio": "", **values})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"audio": None}, "set `audio` or `text`"),
        ({"text": "Hello."}, "either `audio` or `text`"),
        ({"audio_2": "", "text_2": "Hello."}, "either `audio_2` or `text_2`"),
        ({"audio": None, "text": " "}, "`text` must not be empty"),
        ({"audio_mode": "one_after_another"}, "is for two voices"),
        ({"voice": "af_heart"}, "`voice` is for `text`"),
        ({"people": "faces"}, "is for two voices"),
        ({"people": [BOX, BOX]}, "each voice: 1, not 2"),
        ({"people": [BOX], "audio_2": ""}, "each voice: 2, not 1"),
        ({"people": [BOX, BOX, BOX], "audio_2": ""}, "each voice: 2, not 3"),
        ({"audio_3": ""}, "Extra inputs"),
        ({"quality": "fast", "guidance": 5.0}, "baked into the LoRA"),
        ({"quality": "fast", "steps": 40}, "at most 12 steps"),
        ({"color_correction": 1.5}, "less than or equal to 1"),
        ({"audio_guidance": -1.0}, "greater than or equal to 0"),
        ({"max_seconds": 601.0}, "less than or equal to 600"),
        ({"prompt": "  "}, "`prompt` must not be empty"),
        ({"loras": [{"id": "a"}, {"id": "a"}]}, "listed twice"),
        ({"resolution": "1080p"}, "'480p' or '720p'"),
    ],
)
def test_what_would_be_ignored_or_rounded_is_refused(values, message):
    with pytest.raises(ValidationError, match=message):
        request(**values)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"audio": None, "text": "Hello.", "voice": "am_adam"},
        {"audio_2": "", "people": [BOX, BOX], "audio_mode": "one_after_another"},
    ],
)
def test_a_stored_request_is_valid_with_all_its_defaults(values):
    params = request(seed=1, **values)

    stored = params.model_dump_json()

    assert Input.model_validate_json(stored).model_dump_json() == stored


def test_infinitetalk_takes_a_picture_or_a_clip():
    assert VideoInput(video="", audio="").image is None
    for values in ({}, {"image": "", "video": ""}):
        with pytest.raises(ValidationError, match="exactly one of `image` and `video`"):
            VideoInput(audio="", **values)


@pytest.mark.parametrize(
    ("picture", "resolution", "size"),
    [
        ((1000, 1000), "480p", (640, 640)),
        ((900, 1100), "480p", (576, 704)),
        ((1200, 800), "480p", (768, 512)),
        ((1920, 1080), "480p", (832, 448)),
        ((1000, 1000), "720p", (960, 960)),
        ((100, 1000), "480p", (384, 1088)),
    ],
)
def test_the_nearest_size_is_chosen(picture, resolution, size):
    assert sizes.nearest(*picture, MULTITALK.areas[resolution]) == size


def test_all_sizes_are_multiples_of_64_of_about_one_area():
    for area in MULTITALK.areas.values():
        for width, height in sizes.sizes(area):
            assert (width % 64, height % 64) == (0, 0)
            assert width * height == pytest.approx(area, rel=0.1)


@pytest.mark.parametrize(("total", "count"), [(1, 1), (81, 1), (82, 2), (137, 2), (138, 3)])
def test_each_further_clip_adds_56_frames(total, count):
    plan = ClipPlan(total, 81, 25)

    assert plan.count == count
    assert sum(len(plan.shown(clip)) for clip in range(count)) == total


def test_clips_join_without_a_gap():
    plan = ClipPlan(150, 81, 25)
    shown = [plan.start(clip) + frame for clip in range(plan.count) for frame in plan.shown(clip)]

    assert shown == list(range(150))


def resolved(variant=MULTITALK, loras=(), **values):
    return resolve(request(**values), variant, image_size=(100, 100), frames=100, loras=loras)


def test_defaults_are_the_authors():
    best, large = resolved(), resolved(resolution="720p")
    fast = resolved(quality="fast", loras=["4step", "8step"])
    faster = resolved(quality="fast", loras=["4step"])

    assert (best.steps, best.guidance, best.audio_guidance, best.shift) == (40, 5, 4, 7)
    assert large.shift == 11
    assert (fast.lora, fast.steps, fast.guidance, fast.audio_guidance) == ("8step", 8, 1, 2)
    assert fast.shift == 2
    assert (faster.lora, faster.steps) == ("4step", 4)
    assert resolved(INFINITETALK).plan.count == 2
    assert resolved(audio_guidance=0.0).audio_guidance == 0


def test_fast_without_a_lora_is_refused():
    with pytest.raises(InputRejected, match="use quality `best`"):
        resolved(quality="fast")


class Faces:
    """A detector that always finds the same faces."""

    name = "scripted"

    def __init__(self, *boxes):
        self._boxes = list(boxes)

    def detect(self, frame, *, min_width=0):
        return self._boxes

    def face_box(self, box):
        return box


LEFT, RIGHT = Box(30, 20, 30, 30), Box(130, 20, 40, 40)


def located(detector=None, picture=PICTURE, **values):
    return regions.locate(request(**values), picture, detector or Faces())


LARGE = Photo(PICTURE.image, width=400, height=200)
"""A photo with so many pixels that it was decoded at half its size."""


def test_rectangles_of_a_large_photo_are_in_the_pixels_that_were_sent():
    boxes = [
        {"top": 0, "bottom": 200, "left": 0, "right": 200},
        {"top": 100, "bottom": 200, "left": 200, "right": 400},
    ]
    people = located(picture=LARGE, audio_2="", people=boxes)

    found = region_masks.masks(people, frame_image((200, 100), (128, 64), "crop"))

    assert people.notes["people"] == boxes
    assert [mask.mean() for mask in found[:2]] == [0.5, 0.25]
    with pytest.raises(InputRejected, match="400 x 200"):
        located(picture=LARGE, audio_2="", people=[boxes[0], boxes[1] | {"right": 401}])


def test_faces_of_a_large_photo_are_told_in_the_pixels_that_were_sent():
    small = located(Faces(LEFT, RIGHT), audio_2="").regions
    large = located(Faces(LEFT, RIGHT), picture=LARGE, audio_2="")

    assert [one.left for one in large.regions] == [2 * one.left for one in small]
    assert [one.bottom for one in large.regions] == [2 * one.bottom for one in small]
    assert large.scale == 0.5


def test_one_voice_is_heard_in_the_whole_picture():
    assert located().regions == ()
    assert region_masks.masks(located(), frame_image((200, 100), (128, 64), "crop")) is None


def test_halves_leave_a_margin():
    left, right = located(audio_2="", people="halves").regions

    assert (left.left, left.right, right.left, right.right) == (5, 95, 105, 195)
    assert (left.top, left.bottom) == (5, 95)


def test_two_faces_are_found_and_the_left_one_comes_first():
    people = located(Faces(RIGHT, LEFT), audio_2="")

    assert people.source == "faces"
    assert people.regions[0].left < people.regions[0].right <= people.regions[1].left


@pytest.mark.parametrize("boxes", [(), (LEFT,), (LEFT, RIGHT, LEFT)])
def test_another_number_of_faces_means_halves(boxes):
    assert located(Faces(*boxes), audio_2="").source == "halves"


@pytest.mark.parametrize(
    ("boxes", "message"), [((), "No faces were found"), ((LEFT,), "1 face was found")]
)
def test_faces_that_are_asked_for_must_be_there(boxes, message):
    with pytest.raises(InputRejected, match=message):
        located(Faces(*boxes), audio_2="", people="faces")


def masks(*boxes, frame=(128, 64)):
    people = regions.People(tuple(Region(**box) for box in boxes))
    return region_masks.masks(people, frame_image((200, 100), frame, "crop"))


def test_masks_cover_their_rectangles_and_the_background_the_rest():
    found = masks(
        {"top": 0, "bottom": 100, "left": 0, "right": 100},
        {"top": 50, "bottom": 100, "left": 100, "right": 200},
    )

    assert found.shape == (3, 8, 16)
    assert found[0].mean() == 0.5
    assert found[1].mean() == 0.25
    assert np.array_equal(found.sum(dim=0).clamp(max=1), np.ones((8, 16)))
    assert not (found[2] * found[:2].amax(dim=0)).any()


def test_a_rectangle_moves_with_the_crop():
    found = masks({"top": 0, "bottom": 100, "left": 50, "right": 100}, frame=(64, 64))

    assert found[0, 0].tolist() == [1, 1, 1, 1, 0, 0, 0, 0]


def test_a_small_rectangle_covers_a_token():
    assert masks({"top": 40, "bottom": 56, "left": 90, "right": 106})[0].sum() >= 4


def test_a_rectangle_in_the_cropped_part_is_refused():
    with pytest.raises(InputRejected, match="is cropped"):
        masks({"top": 0, "bottom": 100, "left": 0, "right": 30}, frame=(64, 64))
