"""`models pull` of each default profile starts on an empty volume against a fake Hub.

The Hub serves files with the names, sizes and digests of the manifests; their bytes are zeros, and
sparse. Where the manifest has no digest it reports one of its own.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
from dataclasses import dataclass
from hashlib import sha256

import pytest

from models.catalog import MANIFESTS
from tests.cli.models.conftest import result_of
from tests.waiting import until
from tests.weights.fake_hub import File
from weights.manifest.manifest import load

ACCEPTED = '["wav2lip", "latentsync-1.5", "latentsync-1.6"]'
UNKNOWN_BYTES = 5_000_000


@dataclass
class Stated(File):
    """A file whose digest is what somebody says."""

    stated: str = ""

    @property
    def sha256(self):
        return self.stated


@pytest.fixture
def published(models):
    """Publish all files of the Hub that a model's default profile names."""

    def publish(name):
        for number, file in enumerate(load(MANIFESTS[name]).select().files):
            uri = file.source
            if uri.scheme != "hf":
                continue
            path = models.folder / f"{name}-{number}"
            path.touch()
            os.truncate(path, file.size_bytes or UNKNOWN_BYTES)
            commit = uri.revision if uri.pinned else "f" * 40
            models.hub.add(uri.repo, {}, commit=commit, refs=("main",))
            stated = file.sha256 or sha256(uri.path.encode()).hexdigest()
            models.hub.repos[uri.repo].files[uri.path] = Stated(path, stated=stated)

    return publish


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_default_profile_starts_on_an_empty_volume(models, published, name):
    published(name)
    models.hub.bytes_per_second = 1_000_000
    pull = models.start(
        "pull", name, KINOMILL_ACCEPT_LICENSES=ACCEPTED, KINOMILL_WEIGHTS_TRUST="hub"
    )
    try:
        until(lambda: models.hub.bytes > 0 or pull.poll() is not None, seconds=60)
    finally:
        pull.send_signal(signal.SIGINT)
    result = result_of(pull)

    if result.code == 1:  # small files end before the signal, large ones need more disk than free
        no_space = "has not enough space: needed" in result.err
        assert no_space or "wrong bytes: sha256 is" in result.err, result.err
        needed = load(MANIFESTS[name]).select().size_bytes
        assert not no_space or needed > shutil.disk_usage(models.folder).free
    else:
        assert result.code == 130, result.err
        assert "the next pull resumes from it" in result.err


@pytest.mark.parametrize("name", ["wan2.2-i2v", "wan2.1-i2v", "wav2lip", "musetalk"])
def test_a_default_profile_is_refused_if_the_hub_has_other_bytes(models, published, name):
    published(name)
    largest = max(load(MANIFESTS[name]).select().files, key=lambda file: file.size_bytes)
    models.hub.file_of(largest.source.path).stated = "0" * 64
    paths = {path for repo in models.hub.repos.values() for path in repo.files}
    others = [models.hub.hold(path, 0) for path in paths - {largest.source.path}]

    result = models(
        "pull", name, KINOMILL_ACCEPT_LICENSES=ACCEPTED, KINOMILL_WEIGHTS_TRUST="pinned"
    )
    for held in others:  # files of zeros here: none may end before the largest is refused
        held.set()

    assert result.code == 1
    assert re.search(rf"has sha256 0{{64}}, the manifest says {largest.sha256}", result.err)


def test_a_non_commercial_default_is_refused_until_it_is_accepted(models, published):
    published("wav2lip")

    result = models("pull", "wav2lip")

    assert result.code == 1
    assert "KINOMILL_ACCEPT_LICENSES='[\"wav2lip\"]'" in result.err
    assert models.hub.requests == 0
