"""The face parser gives the same numbers as the authors' code."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.musetalk.face.parser import BiSeNet, FaceParser
from tests.models.golden import figures

FACTS = figures.read("musetalk")


@pytest.fixture(scope="module")
def network():
    network = BiSeNet()
    state = figures.filled(network.state_dict(), gain=FACTS["fill"]["gain"])
    network.load_state_dict(state)
    return network.eval().requires_grad_(False)


def test_the_names_and_shapes_are_those_of_the_published_weights(network):
    state = network.state_dict()
    found = [
        [name, list(state[name].shape), str(state[name].dtype).removeprefix("torch.")]
        for name in sorted(state)
    ]

    assert len(found) == 191
    assert found == FACTS["keys"]
    assert sum(p.numel() for p in network.parameters()) == FACTS["parameters"]


def test_the_labels_equal_the_authors_code(network):
    output = network(torch.from_numpy(figures.array(FACTS["input"])))

    figures.assert_like(output, FACTS["main_output"], rtol=1e-4)
    histogram = np.bincount(output.argmax(1).ravel(), minlength=19)
    assert histogram.tolist() == FACTS["label_histogram"]


def test_an_image_of_any_size_is_parsed(network, tmp_path):
    torch.save(network.state_dict(), tmp_path / "parser.pth")
    parser = FaceParser(tmp_path / "parser.pth", torch.device("cpu"))

    labels = parser(figures.frame(100, 100, 1))

    assert labels.shape == (512, 512)
    assert labels.dtype == np.uint8
    assert labels.max() < 19
