"""Digests that the manifest lacks: asked of the Hub, recorded on the volume, compared after."""

from __future__ import annotations

import threading

import pytest

from tests.waiting import until
from tests.weights.pull_helpers import CONTENT, MODEL, SMALL, is_whole, pull_files
from tests.weights.volume_helpers import COMMIT, digest, opened, selection_of, weight_file
from weights.download.pull import pull
from weights.errors import PullStopped, SourceNotFound, WrongContent
from weights.manifest.source_uri import SourceUri
from weights.settings import WeightsSettings
from weights.sources.source_factory import open_sources
from weights.trust import Trust

CONFIG = b'{"_class_name": "Tiny"}'


@pytest.fixture
def volume(tmp_path):
    return opened(tmp_path / "volume")


@pytest.fixture
def wanted(hub):
    """Two files of which the manifest knows nothing but the commit."""
    hub.add("owner/name", {MODEL: CONTENT})
    hub.add("owner/name", {"config.json": CONFIG}, lfs=False)
    return [weight_file(CONTENT, known=False), weight_file(CONFIG, "config.json", known=False)]


def test_the_first_pull_records_what_the_hub_says(hub, volume, wanted):
    pulled = pull_files(hub, volume, *wanted)

    selection = volume.overlay.apply(selection_of(*wanted))
    assert is_whole(pulled)
    assert [file.sha256 for file in selection.files] == [digest(CONTENT), digest(CONFIG)]
    assert {file.trust for file in selection.files} == {Trust.HUB}
    assert volume.complete(selection)
    assert sorted(p.name for p in (volume.root / "blobs").iterdir()) == sorted(
        [digest(CONTENT), digest(CONFIG)]
    )


def test_a_complete_volume_is_used_without_a_request_and_read_only(hub, volume, wanted):
    pull_files(hub, volume, *wanted)
    before = hub.requests

    assert pull_files(hub, volume, *wanted).fetched_bytes == 0
    assert hub.requests == before


def test_a_record_is_compared_at_the_next_download(hub, volume, wanted):
    pull_files(hub, volume, *wanted)
    (volume.root / "blobs" / digest(CONTENT)).unlink()
    hub.file_of(MODEL).change()

    with pytest.raises(WrongContent, match=f"the record on the volume says {digest(CONTENT)}"):
        pull_files(hub, volume, *wanted)

    assert volume.overlay.apply(selection_of(*wanted)).files[0].sha256 == digest(CONTENT)


def test_bytes_that_differ_from_the_hubs_digest_are_refused(hub, volume, wanted):
    hub.fail(MODEL, "flip", "flip")

    with pytest.raises(WrongContent, match="wrong bytes"):
        pull_files(hub, volume, *wanted)


def test_an_answer_for_another_commit_is_refused(hub, volume, wanted):
    hub.repos["owner/name"].refs = (COMMIT,)
    hub.repos["owner/name"].commit = "d" * 40

    with pytest.raises(WrongContent, match=f"another commit, {'d' * 40}"):
        pull_files(hub, volume, *wanted)


def test_a_mirror_at_a_commit_is_asked_if_the_source_is_gone(hub, volume):
    hub.add("other/copy", {MODEL: CONTENT})
    mirror = SourceUri.parse(f"hf://other/copy@{COMMIT}/{MODEL}")
    file = weight_file(CONTENT, known=False)

    with pytest.raises(SourceNotFound, match="owner/name"):
        pull_files(hub, volume, file)
    assert is_whole(pull_files(hub, volume, file.model_copy(update={"mirrors": (mirror,)})))


def test_the_same_file_of_two_models_is_recorded_and_stored_once(hub, volume, wanted):
    pull_files(hub, volume, *wanted)
    known = weight_file(CONTENT, "elsewhere.safetensors", source=str(wanted[0].source))

    assert pull_files(hub, volume, known).fetched_bytes == 0


def test_a_stop_is_obeyed_while_the_hub_does_not_answer(hub, volume, wanted):
    hub.fail(MODEL, 503, 503, 503, 503, 503, 503, on="HEAD")
    stop = threading.Event()
    ended = []

    def run():
        settings = WeightsSettings(hf_endpoint=hub.url, hf_token=None)
        with open_sources(settings) as sources, pytest.raises(PullStopped):
            pull(selection_of(*wanted), volume, sources, limits=SMALL, stop=stop)
        ended.append(True)

    thread = threading.Thread(target=run)
    thread.start()
    until(lambda: hub.counts[MODEL].heads >= 2, what="a second question")
    stop.set()
    thread.join(2)

    assert ended
