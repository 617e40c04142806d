"""Sources on the Hub and its CDN."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.storage.web_server import serve
from tests.weights.fake_hub import COMMIT, cut, fake_hub
from tests.weights.read_source import read
from tests.weights.volume_helpers import digest
from weights.errors import (
    AccessDenied,
    RemoteChanged,
    SourceNotFound,
    SourceUnavailable,
    WrongContent,
)
from weights.manifest.source_uri import SourceUri
from weights.sources.base import RemoteFile
from weights.sources.hub import hub_source

CONTENT = os.urandom(1_000_000)
CONFIG = b'{"_class_name": "Tiny"}'
REPO = "owner/name"


@pytest.fixture
def hub():
    with fake_hub() as hub:
        hub.add(REPO, {"model.safetensors": CONTENT})
        hub.add(REPO, {"config.json": CONFIG}, lfs=False)
        hub.add("owner/gated", {"model.safetensors": CONTENT}, gated=True)
        yield hub


@pytest.fixture
def file(hub, pool):
    """Return a function that opens a source; `token` defaults to that of the fake Hub."""

    def open_source(path="model.safetensors", *, repo=REPO, revision=COMMIT, token=hub.token):
        uri = SourceUri.parse(f"hf://{repo}@{revision}/{path}")
        return hub_source(uri, pool, endpoint=hub.url + "/", token=token)

    return open_source


def test_the_hub_reports_size_and_digest_of_a_large_file(hub, file):
    sha256 = digest(CONTENT)

    assert file().stat() == RemoteFile(len(CONTENT), sha256, sha256)
    assert (hub.requests, hub.bytes) == (1, 0)


def test_the_hub_reports_size_and_etag_of_a_small_file(file):
    remote = file("config.json").stat()

    assert (remote.size_bytes, remote.sha256) == (len(CONFIG), None)
    assert remote.validator
    assert read(file("config.json")) == CONFIG


def test_a_weak_etag_of_a_small_file_is_replaced_by_the_commit(hub, file):
    hub.file_of("config.json").etag = 'W/"x"'

    assert file("config.json").stat().validator == COMMIT


def test_the_bytes_come_from_the_cdn_and_the_token_is_not_sent_there(hub, file):
    source = file()
    remote = source.stat()

    with ThreadPoolExecutor(4) as threads:
        spans = [(at, at + 250_000) for at in range(0, 1_000_000, 250_000)]
        parts = list(threads.map(lambda span: read(source, remote, *span), spans))

    assert b"".join(parts) == CONTENT
    assert hub.leaks == []
    assert [seen.host for seen in hub.seen] == ["hub", "cdn", "cdn", "cdn", "cdn"]
    assert hub.seen[0].headers["authorization"] == f"Bearer {hub.token}"


def test_without_a_token_none_is_sent(hub, file):
    read(file(token=None))

    assert not any("authorization" in seen.headers for seen in hub.seen)


def test_an_expired_url_is_resolved_once_for_all_threads(hub, file):
    source = file()
    remote = source.stat()
    hub.expire()

    with ThreadPoolExecutor(4) as threads:
        spans = [(at, at + 250_000) for at in range(0, 1_000_000, 250_000)]
        parts = list(threads.map(lambda span: read(source, remote, *span), spans))

    assert b"".join(parts) == CONTENT
    assert [seen.host for seen in hub.seen].count("hub") == 2


def test_a_url_that_stays_forbidden_is_an_error(hub, file):
    source = file()
    remote = source.stat()
    hub.fail("model.safetensors", 403, permanent=True)

    with pytest.raises(AccessDenied, match=f"hf://owner/name@{COMMIT}/model.safetensors.*403"):
        read(source, remote)


def test_after_a_server_error_the_url_is_resolved_again(hub, file):
    source = file()
    remote = source.stat()
    hub.fail("model.safetensors", 503)

    with pytest.raises(SourceUnavailable):
        read(source, remote)

    assert read(source, remote, 5, 10) == CONTENT[5:10]
    assert [seen.host for seen in hub.seen] == ["hub", "cdn", "hub", "cdn"]


def test_a_branch_that_moved_is_detected(hub, file):
    source = file(revision="main")
    remote = source.stat()

    hub.fail("model.safetensors", "change", on="resolve")
    hub.expire()

    with pytest.raises(RemoteChanged):
        read(source, remote, 5, 10)


def test_other_bytes_at_the_same_url_are_detected_between_two_ranges(hub, file):
    source = file()
    remote = source.stat()
    read(source, remote, 0, 5)
    hub.fail("model.safetensors", "change")

    with pytest.raises(RemoteChanged):
        read(source, remote, 5, 10)


def test_a_changed_small_file_is_detected(hub, file):
    source = file("config.json", revision="main")
    remote = source.stat()
    hub.fail("config.json", "change")

    with pytest.raises(RemoteChanged):
        read(source, remote)


def test_a_revision_may_contain_a_slash(hub, file):
    hub.add("owner/other", {"a b.bin": CONTENT}, refs=("refs/pr/1",))

    assert read(file("a b.bin", repo="owner/other", revision="refs%2Fpr%2F1")) == CONTENT


def test_the_error_of_a_gated_repository_says_what_to_do(hub, file):
    page = f"{hub.url}/owner/gated"

    with pytest.raises(AccessDenied, match=f"gated: accept its terms at {page}, and set HF_TOKEN"):
        file(repo="owner/gated", token=None).stat()
    with pytest.raises(
        AccessDenied, match=f"gated: accept its terms at {page} .*account of the token in HF_TOKEN"
    ):
        file(repo="owner/gated").stat()

    hub.accepted.add("owner/gated")
    assert read(file(repo="owner/gated")) == CONTENT


def test_an_invalid_token_is_reported(file):
    with pytest.raises(AccessDenied, match="token in HF_TOKEN is invalid"):
        file(token="hf_wrong").stat()


def test_a_hub_that_requires_a_token_is_reported(hub, file):
    hub.fail("model.safetensors", 401, on="resolve")

    with pytest.raises(AccessDenied, match="requires a token: set HF_TOKEN"):
        file(token=None).stat()


@pytest.mark.parametrize("known", [True, False])
def test_a_missing_repository_or_revision_is_reported(hub, file, known):
    token = hub.token if known else None
    with pytest.raises(
        SourceNotFound, match=r"owner/none does not exist or is private; .*HF_TOKEN"
    ):
        file(repo="owner/none", token=token).stat()
    with pytest.raises(SourceNotFound, match="owner/name has no revision 'v9'"):
        file(revision="v9", token=token).stat()
    with pytest.raises(
        SourceNotFound, match=r"owner/name has no file 'none\.bin' at revision 'main'"
    ):
        file("none.bin", revision="main", token=token).stat()


@pytest.mark.parametrize("on", ["resolve", "GET"])
@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_overloaded_hub_or_cdn_is_unavailable(hub, file, on, status):
    source = file()
    remote = source.stat()
    hub.fail("model.safetensors", status, retry_after=3, on=on)

    with pytest.raises(SourceUnavailable, match=str(status)) as caught:
        source.stat() if on == "resolve" else read(source, remote)

    assert caught.value.retry_after_seconds == 3


@pytest.mark.parametrize("tenths", range(1, 10))
def test_a_connection_closed_early_is_an_error(hub, file, tenths):
    hub.fail("model.safetensors", cut(tenths / 10))

    with pytest.raises(SourceUnavailable, match=f"closed after {tenths}00000 of"):
        read(file())


def test_an_html_page_of_the_hub_or_the_cdn_is_reported(hub, file):
    hub.fail("model.safetensors", "html", on="resolve")
    with pytest.raises(WrongContent, match="HTML page"):
        file().stat()

    hub.fail("model.safetensors", "html")
    with pytest.raises(WrongContent, match=r"HTML page \('Sorry'\) instead of the file"):
        read(file())


@pytest.mark.parametrize("kind", ["short", "long"])
def test_another_length_at_the_cdn_is_detected(hub, file, kind):
    hub.fail("model.safetensors", kind)

    with pytest.raises(RemoteChanged):
        read(file())


def test_a_missing_length_is_reported(pool):
    with serve() as web:
        web.pages[f"/{REPO}/resolve/main/x"] = lambda write: write(b"HTTP/1.1 200 OK\r\n\r\n")
        endpoint = web.url("", host="127.0.0.1")
        source = hub_source(
            SourceUri.parse(f"hf://{REPO}@main/x"), pool, endpoint=endpoint, token=None
        )

        with pytest.raises(WrongContent, match="report its size"):
            source.stat()


def test_a_redirect_loop_ends(hub, file):
    hub.fail("config.json", "redirect", to=f"{hub.url}/{REPO}/resolve/main/config.json", on="*")
    hub.fail("config.json", "redirect", to="config.json", on="*", permanent=True)

    with pytest.raises(WrongContent, match="more than 5 redirects"):
        file("config.json", revision="main").stat()


def test_a_redirect_without_metadata_is_followed_without_the_token(hub, file):
    hub.page("config.json", CONFIG)
    hub.fail("config.json", "redirect", to=f"{hub.cdn_url}/config.json?Signature=0", on="*")

    assert file("config.json").stat().size_bytes == len(CONFIG)
    assert hub.leaks == []
