"""The detector with hand-made weights that detect red squares as faces."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from torch.nn.modules.module import register_module_forward_pre_hook

from models.errors import WeightsInvalid
from models.faces.box import Box
from models.faces.detection.s3fd import S3FD
from models.faces.detection.s3fd_boxes import decode, faces, nms
from models.faces.detection.s3fd_detector import S3fdDetector

FACE = 64
RED, BLUE = (0, 0, 255), (255, 0, 0)


def red_net():
    """Channel 0 carries redness to conv4_3, channel 1 a constant to compare it with."""
    network = S3FD()
    state = {name: torch.zeros_like(tensor) for name, tensor in network.state_dict().items()}
    state["conv1_1.weight"][0, 0, 1, 1] = 1
    state["conv1_1.bias"][:2] = torch.tensor([104.0, 100.0])
    for name in ("1_2", "2_1", "2_2", "3_1", "3_2", "3_3", "4_1", "4_2", "4_3"):
        for channel in (0, 1):
            state[f"conv{name}.weight"][channel, channel, 1, 1] = 1
    state["conv4_3_norm.weight"][:] = 8
    for name in state:
        if name.endswith("conf.bias"):
            state[name][0] = 10
    state["conv4_3_norm_mbox_conf.bias"][:] = torch.tensor([4.0, 0.0])
    state["conv4_3_norm_mbox_conf.weight"][1, 0, 1, 1] = 1
    state["conv4_3_norm_mbox_loc.bias"][2:] = np.log(FACE / 32) / 0.2
    return state


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("s3fd") / "s3fd.pth"
    torch.save(red_net(), path)
    return path


@pytest.fixture(scope="module")
def detector(weights):
    return S3fdDetector(weights, long_side=160)


def dark(height, width, *spots, color=RED, side=8):
    frame = np.zeros((height, width, 3), np.uint8)
    for x, y in spots:
        cv2.rectangle(frame, (x, y), (x + side - 1, y + side - 1), color, -1)
    return frame


def test_anchors_grow_with_the_stride_and_are_centered_on_their_cell():
    classes = torch.zeros(2, 3, 4)
    classes[1] = -9
    classes[1, 2, 3] = 9

    rows = decode(classes, torch.zeros(4, 3, 4), stride=16)

    assert rows[:, :4].tolist() == [[56 - 32, 40 - 32, 56 + 32, 40 + 32]]
    assert rows[0, 4] == pytest.approx(1, abs=1e-3)


def test_offsets_and_sizes_are_decoded_with_the_variances_of_the_training():
    shifts = torch.tensor([1.0, -2.0, 5 * np.log(2), 0.0]).reshape(4, 1, 1)

    rows = decode(torch.zeros(2, 1, 1), shifts, stride=4)

    assert rows[0].tolist() == pytest.approx([3.6 - 16, -1.2 - 8, 3.6 + 16, -1.2 + 8, 0.5])


def test_low_scores_give_no_face():
    maps = [torch.zeros(1, 2 + 2 * (place % 2), 1, 1) for place in range(12)]

    assert faces(maps).shape == (0, 5)


def test_boxes_that_overlap_by_less_than_the_threshold_are_both_kept():
    boxes = np.array([[0, 0, 9, 9], [6, 0, 15, 9], [1, 0, 10, 9]], float)

    assert nms(boxes, np.array([0.9, 0.8, 0.7]), 0.3) == [0, 1]


def test_the_network_gets_rgb_so_only_a_red_square_is_found(detector):
    (box,) = detector.detect(dark(128, 160, (80, 40)))

    assert (box.w, box.h) == pytest.approx((FACE, FACE), abs=0.1)
    assert box.center == pytest.approx((84, 44), abs=0.1)
    assert detector.detect(dark(128, 160, (80, 40), color=BLUE)) == []


def test_boxes_in_a_large_frame_are_in_pixels_of_that_frame(detector):
    (box,) = detector.detect(dark(360, 480, (240, 120), side=24))

    assert box.center == pytest.approx((252, 132), abs=1)
    assert box.w == pytest.approx(3 * FACE, abs=1)


def test_faces_narrower_than_the_minimum_are_ignored(detector):
    assert detector.detect(dark(128, 160, (80, 40)), min_width=FACE + 2) == []


def test_boxes_of_a_search_near_the_last_box_are_in_pixels_of_the_frame(detector):
    frame = dark(240, 320, (160, 80), (16, 16))

    boxes = detector.detect_near(frame, Box(142, 62, FACE, FACE))

    assert len(boxes) == 1
    assert boxes[0].iou(Box(132, 52, FACE, FACE)) > 0.75


def test_a_search_at_the_edge_of_the_frame_does_not_fail(detector):
    assert detector.detect_near(dark(240, 320), Box(315, 236, 3, 3)) == []


def test_its_boxes_are_face_rectangles_already(detector):
    assert detector.face_box(Box(1, 2, 3, 4)) == Box(1, 2, 3, 4)


def test_out_of_memory_is_retried_with_a_smaller_copy(weights):
    detector = S3fdDetector(weights)
    frame = dark(720, 1280, (640, 320), side=32)
    tried = []

    def small_memory(module, args):
        if isinstance(module, S3FD):
            tried.append(args[0].shape[-1])
            if tried[-1] > 200:
                raise torch.OutOfMemoryError

    hook = register_module_forward_pre_hook(small_memory)
    try:
        (box,) = detector.detect(frame)
    finally:
        hook.remove()

    assert tried == [640, 320, 160]
    assert box.center == pytest.approx((656, 336), abs=32)


def test_the_error_for_weights_of_another_network_names_the_file(tmp_path):
    path = tmp_path / "other.pth"
    torch.save({"a": torch.zeros(1)}, path)

    with pytest.raises(WeightsInvalid, match=r"other\.pth does not fit"):
        S3fdDetector(path)


def test_the_name_includes_the_size_of_the_searched_copy(detector):
    assert "160" in detector.name
