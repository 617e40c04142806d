"""The network gives the figures that the authors' own code gives."""

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


def test_every_key_of_the_published_weights_is_there(network):
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
def test_each_map_is_that_of_the_authors(maps, place):
    facts = FACTS["outputs"][place]

    figures.assert_like(maps[place], facts, rtol=1e-4)


def test_a_picture_does_not_depend_on_its_neighbors_in_the_batch(network, maps):
    picture = torch.from_numpy(figures.array(FACTS["input"]))

    together = network(torch.cat((picture.flip(3), picture)))

    for one, both in zip(maps, together, strict=True):
        assert (both[1:] - one).abs().max() <= 1e-4 * one.abs().max()


def test_the_same_boxes_survive_as_with_the_authors():
    facts = FACTS["nms"]
    x, y, w, h, score = (figures.u(40, key) for key in range(4101, 4106))
    left, top = 50 + 40 * x, 50 + 40 * y
    boxes = np.stack([left, top, left + 40 + 15 * w, top + 50 + 15 * h], axis=1)

    kept = nms(boxes, 0.5 + 0.5 * score, facts["threshold"])

    assert kept == facts["kept_indices"]
