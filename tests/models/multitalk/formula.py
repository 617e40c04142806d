"""Weights and inputs by formula, and comparison with the figures that the authors' code gave.

`golden/multitalk.json` states the formulas, the figures and their tolerances.
"""

from __future__ import annotations

import json
from math import prod
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.models import golden

FIGURES = json.loads((Path(golden.__file__).parent / "multitalk.json").read_text())["cases"]


def u(n, tag, seed=1):
    """`n` numbers of unit variance, as float64; exact integer arithmetic up to the last step."""
    j = np.arange(n, dtype=np.int64)
    h = (31 * j * j + 2654435 * j + 40503 * tag + 12345 * seed + 7) % 65521
    h = (h * h + 3 * h + 97 * tag + 11) % 65521
    return (h / 65521 - 0.5) * np.sqrt(12)


def tensor(values, shape):
    return torch.from_numpy(values.reshape(shape).astype(np.float32))


def given(case, name, tag=None):
    """The input of a case."""
    facts = FIGURES[case]["inputs"][name]
    values = u(prod(facts["shape"]), 100000 + (tag or facts["tag"]))
    return tensor(values * facts.get("scale", 1), facts["shape"])


def weights(keys):
    """A state of `(name, shape)` pairs with every tensor by formula."""
    return {
        name: tensor(_weight(name, shape, tag), shape)
        for tag, (name, shape) in enumerate(sorted(map(tuple, keys)), start=1)
    }


def _weight(name, shape, tag):
    values = u(prod(shape), tag)
    if name.endswith("modulation"):
        return 0.3 * values
    if len(shape) > 1:
        return values / np.sqrt(prod(shape[1:]))
    return 1 + 0.1 * values if name.endswith("weight") else 0.1 * values


def keys_of(module):
    return sorted([name, list(one.shape)] for name, one in module.state_dict().items())


def assert_figures(output, figures, tolerance=1e-5):
    values = output.detach().double().numpy()
    assert list(values.shape) == figures["shape"]
    np.testing.assert_allclose(
        values.ravel()[figures["index"]], figures["value"], rtol=0, atol=tolerance
    )
    assert values.mean() == pytest.approx(figures["mean"], abs=tolerance)
    assert values.std() == pytest.approx(figures["std"], abs=tolerance)
    total = np.abs(values).sum()
    assert total == pytest.approx(figures["abs_sum"], abs=tolerance * values.size)


def waveform(seconds):
    n = int(16000 * seconds)
    t = np.arange(n) / 16000
    tone = 0.5 * np.sin(2 * np.pi * 180 * t)
    tone += 0.3 * np.sin(2 * np.pi * 430 * t + 0.5) * np.cos(2 * np.pi * 3 * t)
    return (tone + 0.05 * u(n, 700)).astype(np.float32)
