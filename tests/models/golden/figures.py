"""Weights and inputs by formula, and figures made with them by the authors' own code.

The JSON files beside this one hold the figures; the formula is exact integer arithmetic, so that
it gives the same numbers on every machine.
"""

from __future__ import annotations

import json
from math import prod
from pathlib import Path

import numpy as np
import torch

SEED = 7


def read(name):
    return json.loads((Path(__file__).parent / f"{name}.json").read_text())


def u(n, k, seed=SEED):
    """`n` numbers in -1..1 for key `k`, as float64."""
    mask = np.uint64(0xFFFFFFFF)
    h = (np.arange(n, dtype=np.uint64) * np.uint64(2654435761)) + np.uint64(
        k * 97531 + seed * 7919 + 12345
    )
    h &= mask
    h ^= h >> np.uint64(16)
    h = (h * np.uint64(73244475)) & mask
    h ^= h >> np.uint64(16)
    return h / 2147483648 - 1


def filled(state, *, gain, seed=SEED):
    """The state with every tensor by formula, its place in the sorted names being `k`."""
    return {name: _tensor(name, state[name], k, gain, seed) for k, name in enumerate(sorted(state))}


def _tensor(name, like, k, gain, seed):
    if name.endswith("num_batches_tracked"):
        return torch.tensor(seed)
    n = like.numel()
    values = u(n, k, seed)
    if name.endswith("running_mean"):
        values = 0.1 * values
    elif name.endswith("running_var"):
        values = 1 + 0.5 * values
    elif like.dim() == 4:
        values = values * gain * np.sqrt(6 / (n / like.shape[0]))
    elif name.endswith("weight"):
        values = 1 + 0.1 * values
    else:
        values = 0.1 * values
    return torch.from_numpy(values.reshape(like.shape)).to(like.dtype)


def array(facts, seed=SEED):
    """An input: `offset + scale * u`, float32."""
    shape = facts["shape"]
    values = facts.get("offset", 0) + facts.get("scale", 1) * u(
        prod(shape), facts["key_index"], seed
    )
    return values.reshape(shape).astype(np.float32)


def frame(height, width, k, seed=SEED):
    """A frame of uint8 `(height, width, 3)`."""
    return (
        np.floor((u(height * width * 3, k, seed) + 1) * 128)
        .astype(np.uint8)
        .reshape(height, width, 3)
    )


def waveform(seconds, seed=SEED):
    n = int(seconds * 16000)
    t = np.arange(n) / 16000
    x = 0.30 * np.sin(2 * np.pi * (180 + 10 * seed) * t)
    x += 0.20 * np.sin(2 * np.pi * 1750 * t) * (0.5 + 0.5 * np.sin(2 * np.pi * 3 * t))
    x += 0.05 * u(n, 2001, seed)
    x[int(0.45 * n) : int(0.55 * n)] = 0
    return x.astype(np.float32)


def assert_like(result, facts, *, atol=0.0, rtol=0.0):
    """Shape, mean, deviation and the samples of a result are those of the figures.

    `rtol` is relative to the largest absolute value.
    """
    found = np.asarray(result, np.float64)
    near = max(atol, rtol * max(abs(facts.get("max", 0)), abs(facts.get("min", 0))))
    assert list(found.shape) == facts["shape"]
    for name, value in (("mean", found.mean()), ("std", found.std())):
        assert abs(value - facts[name]) <= near or near == 0, (name, value, facts[name])
    if "sample_flat_index" in facts:
        samples = found.ravel()[facts["sample_flat_index"]]
        assert np.abs(samples - facts["sample_value"]).max() <= near
