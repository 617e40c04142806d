import pytest

from tests.models.kokoro.small import small_synthesizer, write_voices


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """A folder with two voices. Tests do not write into it."""
    return write_voices(tmp_path_factory.mktemp("speech"), "af_heart", "ef_dora", "jf_alpha")


@pytest.fixture
def synthesizer(files):
    return small_synthesizer(files)
