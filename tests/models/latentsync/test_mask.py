"""The fixed mask has the shape with which the network was trained."""

from __future__ import annotations

import numpy as np
import pytest

from models.latentsync import mask
from tests.models.latentsync.formula import FACTS

GOLDEN = FACTS["mask"]


def spans(image):
    """Rows `[row, [first, last], ...]` where the runs that are nearer to 0 than to 1 change."""
    found, last = [], None
    for row, values in enumerate(image):
        edges = np.flatnonzero(np.diff(np.concatenate(([False], values < 0.5, [False]))))
        runs = [[int(a), int(b) - 1] for a, b in zip(edges[::2], edges[1::2], strict=True)]
        if runs != last:
            found.append([row, *runs])
            last = runs
    return found


@pytest.mark.parametrize("size", [256, 512])
def test_the_mask_is_that_of_the_authors(size):
    facts = GOLDEN[str(size)]
    keep = mask.keep_mask(size)

    assert keep.shape == (size, size)
    assert abs(keep.mean() - facts["mean_keep"]) < 1e-6
    assert len(np.unique(keep)) == facts["levels"]
    assert spans(keep) == facts["zero_spans"]


@pytest.mark.parametrize("size", [256, 512])
def test_the_mask_in_latents_is_that_of_the_authors(size):
    facts = GOLDEN[str(size)]
    keep = mask.keep_mask(size)[::8, ::8]

    assert spans(keep) == facts["latent_zero_spans"]
    assert np.allclose(np.unique(keep), facts["latent_values"], atol=1e-6)
    assert abs(keep.mean() - facts["latent_mean"]) < 1e-6


@pytest.mark.parametrize("size", [64, 128, 320])
def test_other_sizes_keep_the_same_share(size):
    keep = mask.keep_mask(size)

    assert (keep.min(), keep.max()) == (0, 1)
    assert abs(keep.mean() - GOLDEN["256"]["mean_keep"]) < 0.01
