"""The network computes the same values as the authors' own code."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.faces.detection.s3fd import S3FD
from models.faces.detection.s3fd_boxes import nms
from tests.models.golden import figures

FACTS = figures.read("s3fd")


@pytest.fixture(scope="module")
def network():
    network = S3FD()
    network.load_state_dict(figures.filled(network.state_dict(), gain=FACTS["fill"]["gain"]))
    return network.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def maps(network):
    return network(torch.from_numpy(figures.array(FACTS["input"])))


def test_the_names_and_shapes_are_those_of_the_published_weights(network):
    state = network.state_dict()
    found = [
        [name, list(state[name].shape), str(state[name].dtype).removeprefix("torch.")]
        for name in sorted(state)
    ]

    assert found == FACTS["keys"]
    assert sum(p.numel() for p in network.parameters()) == FACTS["parameters"]


def test_there_are_twelve_maps(maps):
    assert len(maps) == len(FACTS["outputs"]) == 12


@pytest.mark.parametrize("place", range(12))
def test_each_map_equals_that_of_the_authors_code(maps, place):
    facts = FACTS["outputs"][place]

    figures.assert_like(maps[place], facts, rtol=1e-4)


def test_an_image_does_not_depend_on_the_others_in_the_batch(network, maps):
    picture = torch.from_numpy(figures.array(FACTS["input"]))

    together = network(torch.cat((picture.flip(3), picture)))

    for one, both in zip(maps, together, strict=True):
        assert (both[1:] - one).abs().max() <= 1e-4 * one.abs().max()


def test_nms_keeps_the_same_boxes_as_the_authors_code():
    facts = FACTS["nms"]
    x, y, w, h, score = (figures.u(40, key) for key in range(4101, 4106))
    left, top = 50 + 40 * x, 50 + 40 * y
    boxes = np.stack([left, top, left + 40 + 15 * w, top + 50 + 15 * h], axis=1)

    kept = nms(boxes, 0.5 + 0.5 * score, facts["threshold"])

    assert kept == facts["kept_indices"]
