"""Weights, inputs and figures of InSPyReNet by formula, with nothing downloaded."""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import torch

from models.inspyrenet.layers.swin import relative_position_index
from models.inspyrenet.network import InSPyReNet
from tests.models.golden import figures
from tests.models.golden.figures import SEED, u

FACTS = figures.read("inspyrenet")
BASE_SIZE = tuple(FACTS["network"]["base_size"])
GAIN = FACTS["fill"]["gain"]


def state(base_size=BASE_SIZE):
    """The weights for a base size: the sums over a map depend on it, so do two of the norms."""
    return _common_state() | {
        name: torch.from_numpy(1 + 0.5 * u(64, k)).mul(context_variance(stage, base_size)).float()
        for name, (k, stage) in _SUMS.items()
    }


@cache
def _common_state():
    with torch.device("meta"):
        names = InSPyReNet(BASE_SIZE).state_dict()
    made = {}
    for k, name in enumerate(sorted(names)):
        if re.fullmatch(r"attention\d\.conv_(key|value)\.0\.bn\.running_var", name):
            _SUMS[name] = k, int(name[len("attention")])
        elif not name.endswith("relative_position_index"):
            made[name] = _tensor(name, names[name], k)
    return made


_SUMS = {}
"""Place and stage of the norms whose variance depends on the base size."""


@cache
def network(base_size=BASE_SIZE):
    """A network in evaluation mode; those who change it take a deep copy."""
    with torch.device("meta"):
        made = InSPyReNet(base_size)
    indices = {
        name: relative_position_index() for name in made.state_dict() if "position_index" in name
    }
    made.load_state_dict(state(base_size) | indices, strict=True, assign=True)
    return made.eval().requires_grad_(False)


def context_variance(stage, base_size):
    height, width = base_size[0] >> stage, base_size[1] >> stage
    return float(np.floor((0.03 * height * width) ** 2))


def _tensor(name, like, k):
    if name.endswith("num_batches_tracked"):
        return torch.tensor(SEED)
    values = u(like.numel(), k) * _scale(name, like)
    return torch.from_numpy(_offset(values, name, like)).view(like.shape).to(like.dtype)


def _scale(name, like):
    last = name.split(".")[-1]
    if name.endswith("relative_position_bias_table"):
        return 1
    if last == "running_var" or last == "gamma":
        return {"running_var": 0.5, "gamma": 0.25}[last]
    if like.dim() == 4:
        return GAIN * np.sqrt(6 / (like.numel() / like.shape[0]))
    return GAIN * np.sqrt(3 / like.shape[1]) if like.dim() == 2 else 0.1


def _offset(values, name, like):
    last = name.split(".")[-1]
    if last == "running_var":
        values = 1 + values
    elif last in {"threshold", "lthreshold", "gamma"}:
        values = 0.5 + values
    elif last == "weight" and like.dim() == 1:
        values = 1 + values
    return values


def smooth(shape, k):
    """A normalized input `(B, 3, H, W)`, smooth with some noise."""
    batch, channels, height, width = shape
    b, c, y, x = _grid(batch, channels, height, width)
    values = 1.2 * np.sin(2 * np.pi * ((1 + c) * y + 0.13 * SEED + 0.3 * b))
    values = values * np.cos(2 * np.pi * ((1.5 + 0.5 * c) * x + 0.07 * SEED))
    values = values + 0.4 * u(batch * channels * height * width, k).reshape(shape)
    return torch.from_numpy(values.astype(np.float32))


def frame(height, width, k):
    """A picture `(H, W, 3)` of uint8, RGB."""
    _, c, y, x = (axis[0].transpose(1, 2, 0) for axis in _grid(1, 3, height, width))
    values = 90 * np.sin(2 * np.pi * ((1 + c) * y + 0.13 * SEED))
    values = values * np.cos(2 * np.pi * ((1.5 + 0.5 * c) * x + 0.07 * SEED))
    values = 127.5 + values + 30 * u(height * width * 3, k).reshape(height, width, 3)
    return np.floor(values + 0.5).clip(0, 255).astype(np.uint8)


def saliency(height, width, k):
    """A map `(H, W)` of float32 in 0..1."""
    _, _, y, x = (axis[0, 0] for axis in _grid(1, 1, height, width))
    logits = 6 * np.sin(2 * np.pi * (y + 0.1 * SEED)) * np.cos(2 * np.pi * x)
    logits = logits + 0.5 * u(height * width, k).reshape(height, width) + 1
    return (1 / (1 + np.exp(-logits))).astype(np.float32)


def _grid(batch, channels, height, width):
    b, c, y, x = np.meshgrid(
        *(np.arange(side, dtype=np.float64) for side in (batch, channels, height, width)),
        indexing="ij",
    )
    return b, c, (y + 0.5) / height, (x + 0.5) / width


def assert_map(found, facts, *, samples=1.0, mean=0.02):
    """A picture of uint8 whose samples are near the recorded gray levels, and so is its mean."""
    values = np.asarray(found, np.float64)
    assert list(values.shape) == facts["shape"]
    differences = np.abs(values.ravel()[facts["sample_flat_index"]] - facts["sample_value"])
    assert differences.max() <= samples
    assert abs(values.mean() - facts["mean"]) <= mean
