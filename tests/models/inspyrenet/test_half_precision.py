"""float16 with the context sums in float32; all in float16 gives NaN."""

from __future__ import annotations

import copy

import pytest
import torch

from models.inspyrenet.layers.attention import context_sums
from tests.models.inspyrenet import formula

LARGE = (1024, 1024)


@pytest.fixture(scope="module")
def network():
    return copy.deepcopy(formula.network(LARGE))


@pytest.fixture(scope="module")
def picture():
    return formula.smooth((1, 3, 32, 64), 5001)


def halved(network, *, island):
    made = copy.deepcopy(network)
    made.fold()
    if island:
        made.to_half()
    else:
        made.half()
    return made


def test_all_in_half_precision_gives_nan(network, picture):
    with torch.inference_mode():
        found = halved(network, island=False)(picture.half())

    assert found.isnan().all()


def test_with_the_sums_in_float32_it_is_near_the_exact_map(network, picture):
    with torch.inference_mode():
        exact = network(picture)
        found = halved(network, island=True)(picture.half())

    assert found.dtype == torch.float32
    assert (found - exact).abs().max() < 0.0035
    assert (found - exact).abs().mean() < 0.0005


def test_the_sums_over_a_large_map_pass_the_range_of_half_precision():
    features, maps = torch.full((1, 64, 32, 32), 0.1), torch.ones(1, 3, 32, 32)

    assert context_sums(features, maps, LARGE).max() > torch.finfo(torch.float16).max
