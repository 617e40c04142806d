import pytest

from models.latentsync.runner import Runner
from tests.models.latentsync.tiny import SMALL, tiny_weights


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """The folder of the tiny model's weights. Tests do not write into it."""
    return tiny_weights(tmp_path_factory.mktemp("latentsync"))


@pytest.fixture(scope="session")
def runner(tiny, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KINOMILL_FACE_CACHE", str(tmp_path_factory.mktemp("faces")))
        return Runner(tiny, SMALL)
