import pytest
import torch

from models.musetalk.networks import MuseTalk
from tests.models.musetalk.tiny import tiny_weights


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """The folder of the tiny model's weights. Tests do not write into it."""
    return tiny_weights(tmp_path_factory.mktemp("musetalk"))


@pytest.fixture(scope="session")
def networks(tiny):
    return MuseTalk(tiny, torch.device("cpu"), torch.float32)
