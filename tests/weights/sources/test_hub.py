"""Files of the Hub, by way of its CDN."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.storage.web_server import serve
from tests.weights.build import digest
from tests.weights.fake_hub import COMMIT, cut, fake_hub
from tests.weights.reading import read
from weights.errors import AccessDenied, NotAtSource, RemoteChanged, SourceUnavailable, WrongContent
from weights.manifest.source_uri import Origin
from weights.sources.base import Remote
from weights.sources.hub import hub_file

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
def file(hub, connections):
    """Make a source; `token` is that of the hub unless told otherwise."""

    def make(path="model.safetensors", *, repo=REPO, revision=COMMIT, token=hub.token):
        origin = Origin.parse(f"hf://{repo}@{revision}/{path}")
        return hub_file(origin, connections, endpoint=hub.url + "/", token=token)

    return make


def test_the_hub_knows_size_and_digest_of_a_large_file(hub, file):
    sha256 = digest(CONTENT)

    assert file().stat() == Remote(len(CONTENT), sha256, sha256)
    assert (hub.requests, hub.bytes) == (1, 0)


def test_the_hub_knows_size_and_etag_of_a_small_file(file):
    remote = file("config.json").stat()

    assert (remote.size_bytes, remote.sha256) == (len(CONFIG), None)
    assert remote.validator
    assert read(file("config.json")) == CONFIG


def test_a_weak_etag_of_a_small_file_is_replaced_by_the_commit(hub, file):
    hub.file_of("config.json").etag = 'W/"x"'

    assert file("config.json").stat().validator == COMMIT


def test_the_bytes_come_from_elsewhere_and_the_token_does_not_go_there(hub, file):
    source = file()
    remote = source.stat()

    with ThreadPoolExecutor(4) as pool:
        spans = [(at, at + 250_000) for at in range(0, 1_000_000, 250_000)]
        parts = list(pool.map(lambda span: read(source, remote, *span), spans))

    assert b"".join(parts) == CONTENT
    assert hub.leaks == []
    assert [seen.host for seen in hub.seen] == ["hub", "cdn", "cdn", "cdn", "cdn"]
    assert hub.seen[0].headers["authorization"] == f"Bearer {hub.token}"


def test_without_a_token_none_is_sent(hub, file):
    read(file(token=None))

    assert not any("authorization" in seen.headers for seen in hub.seen)


def test_an_address_that_has_expired_is_asked_for_again_once_for_all(hub, file):
    source = file()
    remote = source.stat()
    hub.expire()

    with ThreadPoolExecutor(4) as pool:
        spans = [(at, at + 250_000) for at in range(0, 1_000_000, 250_000)]
        parts = list(pool.map(lambda span: read(source, remote, *span), spans))

    assert b"".join(parts) == CONTENT
    assert [seen.host for seen in hub.seen].count("hub") == 2


def test_an_address_that_stays_forbidden_is_an_error(hub, file):
    source = file()
    remote = source.stat()
    hub.fail("model.safetensors", 403, always=True)

    with pytest.raises(AccessDenied, match=f"hf://owner/name@{COMMIT}/model.safetensors.*403"):
        read(source, remote)


def test_a_server_that_fails_is_asked_for_by_a_new_address(hub, file):
    source = file()
    remote = source.stat()
    hub.fail("model.safetensors", 503)

    with pytest.raises(SourceUnavailable):
        read(source, remote)

    assert read(source, remote, 5, 10) == CONTENT[5:10]
    assert [seen.host for seen in hub.seen] == ["hub", "cdn", "hub", "cdn"]


def test_a_branch_that_moved_on_is_noticed_at_the_hub(hub, file):
    source = file(revision="main")
    remote = source.stat()

    hub.fail("model.safetensors", "change", on="resolve")
    hub.expire()

    with pytest.raises(RemoteChanged):
        read(source, remote, 5, 10)


def test_other_bytes_at_the_same_address_are_noticed_between_two_ranges(hub, file):
    source = file()
    remote = source.stat()
    read(source, remote, 0, 5)
    hub.fail("model.safetensors", "change")

    with pytest.raises(RemoteChanged):
        read(source, remote, 5, 10)


def test_a_small_file_that_changed_is_noticed(hub, file):
    source = file("config.json", revision="main")
    remote = source.stat()
    hub.fail("config.json", "change")

    with pytest.raises(RemoteChanged):
        read(source, remote)


def test_a_revision_may_hold_a_slash(hub, file):
    hub.add("owner/other", {"a b.bin": CONTENT}, refs=("refs/pr/1",))

    assert read(file("a b.bin", repo="owner/other", revision="refs%2Fpr%2F1")) == CONTENT


def test_a_gated_repository_says_what_to_do(hub, file):
    page = f"{hub.url}/owner/gated"

    with pytest.raises(AccessDenied, match=f"gated: accept its terms at {page} .*set HF_TOKEN"):
        file(repo="owner/gated", token=None).stat()
    with pytest.raises(AccessDenied, match=f"gated: accept its terms at {page} .*HF_TOKEN holds"):
        file(repo="owner/gated").stat()

    hub.accepted.add("owner/gated")
    assert read(file(repo="owner/gated")) == CONTENT


def test_a_token_that_nobody_knows(file):
    with pytest.raises(AccessDenied, match="token in HF_TOKEN is not valid"):
        file(token="hf_wrong").stat()


def test_a_hub_that_wants_a_token(hub, file):
    hub.fail("model.safetensors", 401, on="resolve")

    with pytest.raises(AccessDenied, match="with a token only: set HF_TOKEN"):
        file(token=None).stat()


@pytest.mark.parametrize("known", [True, False])
def test_what_is_missing_is_named(hub, file, known):
    token = hub.token if known else None
    with pytest.raises(NotAtSource, match=r"owner/none does not exist, or is private: .*HF_TOKEN"):
        file(repo="owner/none", token=token).stat()
    with pytest.raises(NotAtSource, match="owner/name has no revision 'v9'"):
        file(revision="v9", token=token).stat()
    with pytest.raises(NotAtSource, match=r"owner/name has no file 'none\.bin' at revision 'main'"):
        file("none.bin", revision="main", token=token).stat()


@pytest.mark.parametrize("on", ["resolve", "GET"])
@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_overloaded_hub_or_cdn(hub, file, on, status):
    source = file()
    remote = source.stat()
    hub.fail("model.safetensors", status, retry_after=3, on=on)

    with pytest.raises(SourceUnavailable, match=str(status)) as caught:
        source.stat() if on == "resolve" else read(source, remote)

    assert caught.value.retry_after_seconds == 3


@pytest.mark.parametrize("tenths", range(1, 10))
def test_a_cut_line_is_no_end(hub, file, tenths):
    hub.fail("model.safetensors", cut(tenths / 10))

    with pytest.raises(SourceUnavailable, match=f"cut after {tenths}00000 of"):
        read(file())


def test_an_error_page_of_the_hub_or_the_cdn(hub, file):
    hub.fail("model.safetensors", "html", on="resolve")
    with pytest.raises(WrongContent, match="HTML page"):
        file().stat()

    hub.fail("model.safetensors", "html")
    with pytest.raises(WrongContent, match=r"HTML page \('Sorry'\) came instead of the file"):
        read(file())


@pytest.mark.parametrize("kind", ["short", "long"])
def test_another_length_at_the_cdn(hub, file, kind):
    hub.fail("model.safetensors", kind)

    with pytest.raises(RemoteChanged):
        read(file())


def test_a_length_that_nobody_says(connections):
    with serve() as web:
        web.pages[f"/{REPO}/resolve/main/x"] = lambda write: write(b"HTTP/1.1 200 OK\r\n\r\n")
        endpoint = web.url("", host="127.0.0.1")
        source = hub_file(
            Origin.parse(f"hf://{REPO}@main/x"), connections, endpoint=endpoint, token=None
        )

        with pytest.raises(WrongContent, match="how long"):
            source.stat()


def test_a_circle_of_redirects_ends(hub, file):
    hub.fail("config.json", "redirect", to=f"{hub.url}/{REPO}/resolve/main/config.json", on="*")
    hub.fail("config.json", "redirect", to="config.json", on="*", always=True)

    with pytest.raises(WrongContent, match="redirects more than 5 times"):
        file("config.json", revision="main").stat()


def test_a_redirect_that_says_nothing_of_the_file_is_followed_without_the_token(hub, file):
    hub.page("config.json", CONFIG)
    hub.fail("config.json", "redirect", to=f"{hub.cdn_url}/config.json?Signature=0", on="*")

    assert file("config.json").stat().size_bytes == len(CONFIG)
    assert hub.leaks == []
