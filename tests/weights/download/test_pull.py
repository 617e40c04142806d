"""Pulling over real HTTP from a Hub that does all that Hubs do wrong."""

from __future__ import annotations

import hashlib
import random
import stat
import time
from dataclasses import replace

import pytest

from tests.waiting import until
from tests.weights.build import COMMIT, put, weight_file
from tests.weights.fake_hub import Fault, cut, fake_hub, status
from tests.weights.pulling import (
    CONTENT,
    MODEL,
    PARTS,
    SMALL,
    Pulling,
    fetched,
    is_whole,
)
from weights.download import journal
from weights.download.pull import Limits
from weights.errors import AccessDenied, NotAtSource, SourceUnavailable, WrongContent
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
    """Pull files, by default the one that the Hub has."""
    return lambda *files, **options: fetched(hub, volume, *(files or [FILE]), **options)


def is_clean(volume):
    """Nothing under a final name, and nothing that a later pull would take for good."""
    return not any((volume.root / "blobs").iterdir())


def test_a_file_comes_in_parts_whole_and_read_only(hub, volume, fetch):
    pulled = fetch()

    assert is_whole(pulled)
    assert pulled.fetched_bytes == hub.bytes == len(CONTENT)
    assert hub.counts[MODEL].requests == PARTS
    assert stat.S_IMODE(volume.blob(weight_file(CONTENT)).stat().st_mode) == 0o444
    assert list((volume.root / "partial").iterdir()) == []


def test_a_complete_volume_asks_for_nothing(hub, fetch):
    first = fetch()
    asked = hub.requests

    again = fetch()

    assert hub.requests == asked
    assert (again.folder, again.fetched_bytes) == (first.folder, 0)


def test_only_what_is_missing_is_fetched(hub, volume, fetch):
    other = random.Random(5).randbytes(100_000)
    hub.add("owner/name", {"a/config.json": other})
    put_file = weight_file(CONTENT)
    volume.open()
    put(volume, put_file, CONTENT)

    pulled = fetch(put_file, weight_file(other, "a/config.json"))

    assert is_whole(pulled)
    assert is_whole(pulled, other, "a/config.json")
    assert hub.bytes == len(other)


def test_one_content_under_two_names_is_fetched_once(hub, fetch):
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
def test_a_cut_line_is_gone_on_from_where_it_was_cut(hub, fetch, tenth):
    hub.fail(MODEL, cut(tenth / 10))

    pulled = fetch()

    assert is_whole(pulled)
    assert len(CONTENT) <= hub.bytes <= len(CONTENT) + SMALL.part_bytes
    assert hub.counts[MODEL].requests == PARTS + 1


def test_wrong_bytes_of_the_right_length_are_fetched_once_more(hub, fetch):
    hub.fail(MODEL, "flip")

    pulled = fetch()

    assert is_whole(pulled)
    assert hub.bytes == 2 * len(CONTENT)


def test_bytes_that_stay_wrong_never_get_the_final_name(hub, volume, fetch):
    hub.fail(MODEL, Fault("flip", always=True))

    with pytest.raises(WrongContent, match=f"{MODEL}.*sha256"):
        fetch()

    assert is_clean(volume)
    assert not journal.path_of(volume.partial(weight_file(CONTENT))).exists()


@pytest.mark.parametrize("kind", ["short", "long"])
def test_a_file_of_another_length_is_refused_before_its_first_byte(hub, volume, fetch, kind):
    hub.fail(MODEL, Fault(kind, on="resolve", always=True))

    with pytest.raises(WrongContent, match="bytes, the manifest says 1000003"):
        fetch()

    assert hub.bytes == 0
    assert is_clean(volume)


@pytest.mark.parametrize("kind", ["short", "long"])
def test_a_file_that_gets_another_length_is_begun_again_once(hub, volume, fetch, kind):
    hub.fail(MODEL, kind)

    assert is_whole(fetch())


@pytest.mark.parametrize("on", ["GET", "resolve"])
def test_a_page_in_place_of_the_file_is_named(hub, volume, fetch, on):
    hub.fail(MODEL, Fault("html", on=on, always=True))

    with pytest.raises(WrongContent, match="HTML page"):
        fetch()

    assert is_clean(volume)


def test_a_busy_source_is_asked_again_when_it_says_so(hub, fetch):
    hub.fail(MODEL, status(429, retry_after=1))
    begun = time.monotonic()

    pulled = fetch(limits=Limits(connections=1, part_bytes=64 * 1024))

    assert is_whole(pulled)
    assert time.monotonic() - begun >= 1
    assert hub.counts[MODEL].requests == PARTS + 1


def test_a_source_that_fails_for_a_while_is_borne_with(hub, fetch):
    hub.fail(MODEL, 503, 500, 503, 503)
    hub.fail(MODEL, status(503, on="resolve"))

    assert is_whole(fetch())


def test_a_source_that_stays_away_ends_the_pull_and_what_came_is_kept(hub, volume, fetch):
    hub.fail(MODEL, *[cut(0.9, always=True)])
    limits = Limits(connections=4, part_bytes=len(CONTENT), patience_seconds=1)

    with pytest.raises(SourceUnavailable, match=f"{MODEL}: hf://owner/name"):
        fetch(limits=limits)
    kept = journal.done_bytes(volume.partial(weight_file(CONTENT)))
    hub.faults.waiting.clear()
    again = fetch()

    assert kept >= 0.85 * len(CONTENT)
    assert is_whole(again)
    assert again.fetched_bytes == len(CONTENT) - kept


@pytest.mark.parametrize("kind", ["drip", "stall"])
def test_a_connection_that_brings_next_to_nothing_is_opened_again(hub, fetch, kind):
    hub.fail(MODEL, *2 * [Fault(kind, at=0.0)])

    pulled = fetch(limits=replace(SMALL, stall_seconds=0.5))

    assert is_whole(pulled)
    assert hub.counts[MODEL].requests > PARTS


def test_another_file_in_mid_download_is_begun_again_and_refused(hub, volume, fetch):
    hub.fail(MODEL, "change")

    with pytest.raises(WrongContent, match="sha256"):
        fetch()

    assert is_clean(volume)


def test_an_etag_that_changes_in_mid_download_begins_the_file_again(hub, volume):
    url = hub.page("/file.bin", CONTENT, etag='"first"')
    new = random.Random(6).randbytes(len(CONTENT))
    gate = hub.hold("/file.bin", 0.5)
    file = weight_file(CONTENT, source=url, known=False)

    with Pulling(hub, volume, file) as found:
        until(lambda: hub.counts["/file.bin"].bytes >= len(CONTENT) // 2)
        page = hub.pages["/file.bin"]
        page.content, page.etag = new, '"second"'
        gate.set()
        found.thread.join(20)

    assert is_whole(found.pulled, new)


def test_a_file_of_which_nothing_is_known_is_pulled_and_its_digest_kept(hub, volume, fetch):
    url = hub.page("/file.bin", CONTENT, etag='"first"')
    file = weight_file(CONTENT, source=url, known=False)

    pulled = fetch(file)

    assert is_whole(pulled)
    assert volume.digest_of(file) == hashlib.sha256(CONTENT).hexdigest()


@pytest.mark.parametrize("fault", [cut(0.7), "flip"])
def test_a_source_without_ranges_gives_the_file_in_one_go(hub, fetch, fault):
    url = hub.page("/file.bin", CONTENT, ranges=False)
    hub.fail("/file.bin", fault)

    pulled = fetch(weight_file(CONTENT, source=url))

    assert is_whole(pulled)
    assert hub.counts["/file.bin"].requests == 2


def test_a_source_that_stops_giving_ranges_is_asked_for_all(hub, fetch):
    hub.fail(MODEL, Fault("refuse_ranges", always=True))

    assert is_whole(fetch())


# what no waiting helps against


def test_a_gated_repository_says_what_to_do(hub, volume, fetch):
    hub.add("owner/name", {MODEL: CONTENT}, gated=True)

    with pytest.raises(AccessDenied, match="accept its terms"):
        fetch()

    assert hub.bytes == 0


def test_a_revision_that_is_missing_is_named(hub, fetch):
    with pytest.raises(NotAtSource, match="no revision"):
        fetch(weight_file(CONTENT, source=f"hf://owner/name@{'d' * 40}/{MODEL}"))


@pytest.fixture
def mirrored(tmp_path):
    """A file with a mirror in a folder, and the mirror's path."""
    mirror = tmp_path / "mirror.bin"
    mirror.write_bytes(CONTENT)
    other = weight_file(CONTENT, source=mirror.as_uri()).source
    return weight_file(CONTENT).model_copy(update={"mirrors": (other,)}), mirror


def test_sources_are_tried_in_order_and_all_named(hub, fetch, mirrored):
    file, mirror = mirrored
    mirror.write_bytes(CONTENT[:-1])
    hub.repos.clear()

    with pytest.raises(WrongContent, match=r"hf:.*does not exist.*mirror.bin: has 1000002 bytes"):
        fetch(file)


def test_a_mirror_gives_what_the_source_has_not(hub, fetch, mirrored):
    hub.repos.clear()

    assert is_whole(fetch(mirrored[0]))


def test_the_next_source_goes_on_where_the_first_ended(hub, fetch, mirrored):
    hub.fail(MODEL, cut(0.5, always=True))
    limits = Limits(connections=1, part_bytes=len(CONTENT), patience_seconds=1)

    pulled = fetch(mirrored[0], limits=limits)

    assert is_whole(pulled)
    assert pulled.fetched_bytes == len(CONTENT)


def test_an_error_in_one_file_ends_the_others_soon(hub, volume, fetch):
    hub.bytes_per_second = 50_000
    begun = time.monotonic()

    with pytest.raises(NotAtSource, match="absent"):
        fetch(weight_file(CONTENT), weight_file(b"absent", "absent.bin"))

    assert time.monotonic() - begun < 3
