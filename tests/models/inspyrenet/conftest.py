"""Weights of a small base size as files, made once."""

from __future__ import annotations

import pytest
import torch

from models.inspyrenet.checkpoint import convert
from tests.models.inspyrenet import formula

SMALL = (64, 64)


@pytest.fixture(scope="session")
def published(tmp_path_factory):
    """A checkpoint as it is published: a pickle with all 1,625 entries."""
    path = tmp_path_factory.mktemp("inspyrenet") / "trained.pth"
    torch.save(formula.network(SMALL).state_dict(), path)
    yield path
    path.unlink()


@pytest.fixture(scope="session")
def converted(published):
    """The same in half precision as safetensors, which states its base size."""
    path = published.with_suffix(".safetensors")
    convert(published, path, dtype="fp16", base_size=SMALL)
    yield path
    path.unlink()


@pytest.fixture(scope="session")
def weights(converted, tmp_path_factory):
    """A folder of weights as a worker has it, both modes, of a small base size."""
    folder = tmp_path_factory.mktemp("weights")
    for mode in ("base", "fast"):
        (folder / f"ckpt_{mode}.safetensors").symlink_to(converted)
    return folder
