"""Pulls over real HTTP from a Hub with every kind of fault."""

from __future__ import annotations

import hashlib
import random
import stat
import time
from dataclasses import replace

import pytest

from tests.waiting import until
from tests.weights.fake_hub import Fault, cut, fake_hub, status
from tests.weights.pull_helpers import (
    CONTENT,
    MODEL,
    PARTS,
    SMALL,
    PullInThread,
    is_whole,
    pull_files,
)
from tests.weights.volume_helpers import COMMIT, put, weight_file
from weights.download import journal
from weights.download.limits import PullLimits
from weights.errors import AccessDenied, SourceNotFound, SourceUnavailable, WrongContent
from weights.volume.volume import Volume

FILE = weight_file(CONTENT)


@pytest.fixture
def hub():
    with fake_hub() as hub:
        hub.add("owner/name", {MODEL: CONTENT})
        yield hub


@pytest.fixture
def volume(tmp_path):
    return Volume(tmp_path / "volume")


@pytest.fixture
def fetch(hub, volume):
    """Pull files, by default the one on the Hub."""
    return lambda *files, **options: pull_files(hub, volume, *(files or [FILE]), **options)


def is_clean(volume):
    """Whether the volume has no blob."""
    return not any((volume.root / "blobs").iterdir())


def test_a_file_is_downloaded_in_parts_and_stored_read_only(hub, volume, fetch):
    pulled = fetch()

    assert is_whole(pulled)
    assert pulled.fetched_bytes == hub.bytes == len(CONTENT)
    assert hub.counts[MODEL].requests == PARTS
    assert stat.S_IMODE(volume.blob(weight_file(CONTENT)).stat().st_mode) == 0o444
    assert list((volume.root / "partial").iterdir()) == []


def test_a_complete_volume_needs_no_request(hub, fetch):
    first = fetch()
    before = hub.requests

    again = fetch()

    assert hub.requests == before
    assert (again.folder, again.fetched_bytes) == (first.folder, 0)


def test_only_missing_files_are_downloaded(hub, volume, fetch):
    other = random.Random(5).randbytes(100_000)
    hub.add("owner/name", {"a/config.json": other})
    stored = weight_file(CONTENT)
    volume.open()
    put(volume, stored, CONTENT)

    pulled = fetch(stored, weight_file(other, "a/config.json"))

    assert is_whole(pulled)
    assert is_whole(pulled, other, "a/config.json")
    assert hub.bytes == len(other)


def test_one_content_under_two_names_is_downloaded_once(hub, fetch):
    twin = weight_file(CONTENT, "twin.bin", source=f"hf://owner/name@{COMMIT}/{MODEL}")

    pulled = fetch(weight_file(CONTENT), twin)

    assert is_whole(pulled, path="twin.bin")
    assert hub.bytes == len(CONTENT)


def test_many_files_share_the_connections(hub, fetch):
    contents = {f"part-{n}.bin": random.Random(n).randbytes(70_000 + n) for n in range(20)}
    hub.add("owner/name", contents)

    pulled = fetch(*(weight_file(content, path) for path, content in contents.items()))

    assert all(is_whole(pulled, content, path) for path, content in contents.items())
    assert hub.bytes == sum(map(len, contents.values()))


@pytest.mark.parametrize("tenth", range(10))
def test_a_closed_connection_is_resumed_where_it_ended(hub, fetch, tenth):
    hub.fail(MODEL, cut(tenth / 10))

    pulled = fetch()

    assert is_whole(pulled)
    assert len(CONTENT) <= hub.bytes <= len(CONTENT) + SMALL.part_bytes
    assert hub.counts[MODEL].requests == PARTS + 1


def test_wrong_bytes_of_the_right_length_are_downloaded_once_more(hub, fetch):
    hub.fail(MODEL, "flip")

    pulled = fetch()

    assert is_whole(pulled)
    assert hub.bytes == 2 * len(CONTENT)


def test_bytes_that_stay_wrong_are_never_stored_as_a_blob(hub, volume, fetch):
    hub.fail(MODEL, Fault("flip", permanent=True))

    with pytest.raises(WrongContent, match=f"{MODEL}.*sha256"):
        fetch()

    assert is_clean(volume)
    assert not journal.path_of(volume.partial(weight_file(CONTENT))).exists()


@pytest.mark.parametrize("kind", ["short", "long"])
def test_a_file_of_another_length_is_refused_before_its_first_byte(hub, volume, fetch, kind):
    hub.fail(MODEL, Fault(kind, on="resolve", permanent=True))

    with pytest.raises(WrongContent, match="bytes, the manifest says 1000003"):
        fetch()

    assert hub.bytes == 0
    assert is_clean(volume)


@pytest.mark.parametrize("kind", ["short", "long"])
def test_a_file_whose_length_changes_is_downloaded_once_more(hub, volume, fetch, kind):
    hub.fail(MODEL, kind)

    assert is_whole(fetch())


@pytest.mark.parametrize("on", ["GET", "resolve"])
def test_an_html_page_instead_of_the_file_is_reported(hub, volume, fetch, on):
    hub.fail(MODEL, Fault("html", on=on, permanent=True))

    with pytest.raises(WrongContent, match="HTML page"):
        fetch()

    assert is_clean(volume)


def test_retry_after_of_a_busy_source_is_obeyed(hub, fetch):
    hub.fail(MODEL, status(429, retry_after=1))
    began = time.monotonic()

    pulled = fetch(limits=PullLimits(connections=1, part_bytes=64 * 1024))

    assert is_whole(pulled)
    assert time.monotonic() - began >= 1
    assert hub.counts[MODEL].requests == PARTS + 1


def test_a_source_that_fails_for_a_while_is_retried(hub, fetch):
    hub.fail(MODEL, 503, 500, 503, 503)
    hub.fail(MODEL, status(503, on="resolve"))

    assert is_whole(fetch())


def test_an_unavailable_source_fails_the_pull_and_keeps_downloaded_bytes(hub, volume, fetch):
    hub.fail(MODEL, *[cut(0.9, permanent=True)])
    limits = PullLimits(connections=4, part_bytes=len(CONTENT), retry_timeout_seconds=1)

    with pytest.raises(SourceUnavailable, match=f"{MODEL}: hf://owner/name"):
        fetch(limits=limits)
    kept = journal.done_bytes(volume.partial(weight_file(CONTENT)))
    hub.faults.pending.clear()
    resumed = fetch()

    assert kept >= 0.85 * len(CONTENT)
    assert is_whole(resumed)
    assert resumed.fetched_bytes == len(CONTENT) - kept


@pytest.mark.parametrize("kind", ["drip", "stall"])
def test_a_stalled_connection_is_opened_again(hub, fetch, kind):
    hub.fail(MODEL, *2 * [Fault(kind, at=0.0)])

    pulled = fetch(limits=replace(SMALL, stall_seconds=0.5))

    assert is_whole(pulled)
    assert hub.counts[MODEL].requests > PARTS


def test_a_file_replaced_during_the_download_is_refused(hub, volume, fetch):
    hub.fail(MODEL, "change")

    with pytest.raises(WrongContent, match="sha256"):
        fetch()

    assert is_clean(volume)


def test_an_etag_that_changes_during_the_download_restarts_the_file(hub, volume):
    url = hub.page("/file.bin", CONTENT, etag='"first"')
    new = random.Random(6).randbytes(len(CONTENT))
    gate = hub.hold("/file.bin", 0.5)
    file = weight_file(CONTENT, source=url, known=False)

    with PullInThread(hub, volume, file) as pulling:
        until(lambda: hub.counts["/file.bin"].bytes >= len(CONTENT) // 2)
        page = hub.pages["/file.bin"]
        page.content, page.etag = new, '"second"'
        gate.set()
        pulling.thread.join(20)

    assert is_whole(pulling.pulled, new)


def test_a_file_with_unknown_fields_is_pulled_and_its_digest_recorded(hub, volume, fetch):
    url = hub.page("/file.bin", CONTENT, etag='"first"')
    file = weight_file(CONTENT, source=url, known=False)

    pulled = fetch(file)

    assert is_whole(pulled)
    assert volume.digest_of(file) == hashlib.sha256(CONTENT).hexdigest()


@pytest.mark.parametrize("fault", [cut(0.7), "flip"])
def test_a_source_without_ranges_is_downloaded_in_one_request(hub, fetch, fault):
    url = hub.page("/file.bin", CONTENT, ranges=False)
    hub.fail("/file.bin", fault)

    pulled = fetch(weight_file(CONTENT, source=url))

    assert is_whole(pulled)
    assert hub.counts["/file.bin"].requests == 2


def test_a_source_that_stops_serving_ranges_is_asked_for_the_whole_file(hub, fetch):
    hub.fail(MODEL, Fault("refuse_ranges", permanent=True))

    assert is_whole(fetch())


# permanent errors


def test_the_error_of_a_gated_repository_says_what_to_do(hub, volume, fetch):
    hub.add("owner/name", {MODEL: CONTENT}, gated=True)

    with pytest.raises(AccessDenied, match="accept its terms"):
        fetch()

    assert hub.bytes == 0


def test_a_missing_revision_is_reported(hub, fetch):
    with pytest.raises(SourceNotFound, match="no revision"):
        fetch(weight_file(CONTENT, source=f"hf://owner/name@{'d' * 40}/{MODEL}"))


@pytest.fixture
def mirrored(tmp_path):
    """A file with a mirror in a folder, and the path of the mirror."""
    mirror = tmp_path / "mirror.bin"
    mirror.write_bytes(CONTENT)
    other = weight_file(CONTENT, source=mirror.as_uri()).source
    return weight_file(CONTENT).model_copy(update={"mirrors": (other,)}), mirror


def test_sources_are_tried_in_order_and_the_error_names_all(hub, fetch, mirrored):
    file, mirror = mirrored
    mirror.write_bytes(CONTENT[:-1])
    hub.repos.clear()

    with pytest.raises(WrongContent, match=r"hf:.*does not exist.*mirror.bin: has 1000002 bytes"):
        fetch(file)


def test_a_mirror_is_used_when_the_source_lacks_the_file(hub, fetch, mirrored):
    hub.repos.clear()

    assert is_whole(fetch(mirrored[0]))


def test_the_next_source_resumes_where_the_first_ended(hub, fetch, mirrored):
    hub.fail(MODEL, cut(0.5, permanent=True))
    limits = PullLimits(connections=1, part_bytes=len(CONTENT), retry_timeout_seconds=1)

    pulled = fetch(mirrored[0], limits=limits)

    assert is_whole(pulled)
    assert pulled.fetched_bytes == len(CONTENT)


def test_an_error_in_one_file_stops_the_others_soon(hub, volume, fetch):
    hub.bytes_per_second = 50_000
    began = time.monotonic()

    with pytest.raises(SourceNotFound, match="absent"):
        fetch(weight_file(CONTENT), weight_file(b"absent", "absent.bin"))

    assert time.monotonic() - began < 15  # the first file takes 20
