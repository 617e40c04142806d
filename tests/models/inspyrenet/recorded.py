"""All inner values of a run of the network, compared with the recorded figures."""

from __future__ import annotations

from contextlib import ExitStack

import torch

from tests.models.golden.figures import assert_like
from tests.models.inspyrenet.formula import FACTS, smooth

INNER = 2e-5
"""Relative to the largest absolute value of a block."""


def run(network):
    """Every block that has figures, by name, for the recorded input."""
    x = smooth(FACTS["input"]["shape"], FACTS["input"]["key_index"])
    found = {}
    with ExitStack() as hooks, torch.inference_mode():
        for module, names in _OUTPUTS.items():
            hook = network.get_submodule(module).register_forward_hook(_keeper(found, names))
            hooks.callback(hook.remove)
        found["logits"] = network.logits(x)
        found["pred"] = network(x)
        found |= dict(zip(("d0", "d1", "d2", "d3"), found.pop("logits"), strict=True))
    return found


_OUTPUTS = {
    "backbone": ("x1", "x2", "x3", "x4", "x5"),
    **{f"context{n}": (f"c{n}",) for n in range(1, 6)},
    "decoder": ("f3", "d3"),
    "attention2": ("f2", "p2"),
    "attention1": ("f1", "p1"),
    "attention0": ("f0", "p0"),
}


def _keeper(found, names):
    def keep(module, inputs, outputs):
        values = outputs if isinstance(outputs, list | tuple) else [outputs]
        found.update({name: value.clone() for name, value in zip(names, values, strict=True)})

    return keep


def assert_recorded(found):
    """All inner blocks, and the maps stretched over the batch and by sample."""
    for group in ("backbone", "context", "decoder", "attention", "saliency"):
        for name, facts in FACTS[group].items():
            assert_like(found[name], facts, rtol=INNER)
    probability = found["d0"].sigmoid()
    low, high = probability.min(), probability.max()
    assert_like((probability - low) / (high - low + 1e-8), FACTS["pred_batch"], atol=1e-5)
    for sample, facts in FACTS["pred_single"].items():
        assert_like(found["pred"][int(sample) :][:1], facts, atol=1e-5)
