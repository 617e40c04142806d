"""What the Hub says of files that nobody has fetched."""

from __future__ import annotations

import hashlib
import os

import pytest
from pydantic import SecretStr

from tests.storage.web_server import serve
from tests.weights.build import digest
from tests.weights.fake_hub import COMMIT
from weights.errors import AccessDenied, NotAtSource, SourceUnavailable, WeightsError, WrongContent
from weights.manifest.remote_metadata import Facts, facts, listing
from weights.manifest.source_uri import Origin
from weights.settings import WeightsSettings

CONTENT = os.urandom(100_000)
CONFIG = b'{"_class_name": "Tiny"}'


@pytest.fixture
def settings(hub):
    hub.add("owner/name", {"transformer/a.safetensors": CONTENT, "b.safetensors": CONFIG})
    hub.add("owner/name", {"transformer/deep/c.json": CONFIG, "config.json": CONFIG}, lfs=False)
    return WeightsSettings(hf_endpoint=hub.url, hf_token=None)


def at(path, revision="main", repo="owner/name"):
    return Origin.parse(f"hf://{repo}@{revision}/{path}")


def test_a_large_file_is_not_fetched(hub, settings):
    found = facts(at("transformer/a.safetensors"), settings)

    pinned = at("transformer/a.safetensors", COMMIT)
    assert found == Facts(pinned, len(CONTENT), digest(CONTENT), COMMIT)
    assert hub.bytes == 0


def test_a_small_file_is_fetched_for_its_digest(hub, settings):
    found = facts(at("config.json", COMMIT), settings)

    assert found == Facts(at("config.json", COMMIT), len(CONFIG), digest(CONFIG), COMMIT)
    assert hub.bytes == len(CONFIG)


def test_a_small_file_must_be_the_one_that_git_names(hub, settings):
    hub.fail("config.json", "flip")

    with pytest.raises(WrongContent, match="not those that git names"):
        facts(at("config.json"), settings)


def test_a_pattern_is_compared_folder_by_folder(settings):
    def paths(pattern):
        return [found.origin.path for found in listing(at(pattern), settings)]

    assert paths("*.safetensors") == ["b.safetensors"]
    assert paths("transformer/*") == ["transformer/a.safetensors"]
    assert paths("**/*.json") == ["config.json", "transformer/deep/c.json"]
    assert paths("none/*") == []


def test_a_listing_has_the_facts_of_each_file(settings):
    (found,) = listing(at("transformer/*.safetensors"), settings)

    pinned = at("transformer/a.safetensors", COMMIT)
    assert found == Facts(pinned, len(CONTENT), digest(CONTENT), COMMIT)


@pytest.mark.parametrize("ask", [facts, listing])
def test_what_is_missing_is_named(settings, ask):
    with pytest.raises(NotAtSource, match="owner/none does not exist, or is private"):
        ask(at("config.json", repo="owner/none"), settings)
    with pytest.raises(NotAtSource, match="no revision 'v9'"):
        ask(at("config.json", "v9"), settings)


@pytest.mark.parametrize("path", ["none.bin", "transformer"])
def test_a_path_that_is_no_file(settings, path):
    with pytest.raises(NotAtSource, match=f"no file '{path}'"):
        facts(at(path), settings)


def test_a_token_that_nobody_knows(settings):
    with pytest.raises(AccessDenied, match="HF_TOKEN is not valid"):
        facts(at("config.json"), settings.model_copy(update={"hf_token": SecretStr("hf_wrong")}))


def test_a_gated_repository(hub, settings):
    hub.add("owner/gated", {"model.bin": CONTENT}, gated=True)

    with pytest.raises(AccessDenied, match="gated: accept its terms"):
        facts(at("model.bin", repo="owner/gated"), settings)

    hub.accepted.add("owner/gated")
    known = settings.model_copy(update={"hf_token": SecretStr(hub.token)})
    assert facts(at("model.bin", repo="owner/gated"), known).sha256 == digest(CONTENT)


def test_a_token_of_the_environment_is_not_sent(hub, settings, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_of_somebody")

    facts(at("config.json"), settings)

    assert not any("authorization" in seen.headers for seen in hub.seen)


def test_other_sources_know_a_size(hub, settings, tmp_path):
    web = Origin.parse(hub.page("/weights", CONTENT))
    (tmp_path / "weights").write_bytes(CONTENT)
    folder = Origin.parse(f"file://{tmp_path}/weights")

    assert facts(web, settings) == Facts(web, len(CONTENT))
    assert facts(folder, settings) == Facts(folder, len(CONTENT))
    with pytest.raises(WeightsError, match="only the Hub can list"):
        listing(web, settings)


def test_a_hub_that_is_away(settings):
    settings = settings.model_copy(update={"hf_endpoint": "http://127.0.0.1:9"})

    with pytest.raises(SourceUnavailable):
        facts(at("config.json"), settings)


@pytest.mark.parametrize(("status", "error"), [(429, SourceUnavailable), (418, WeightsError)])
def test_a_hub_that_refuses(settings, status, error):
    with serve() as web:
        web.respond("/api/models/owner/name/revision/main", status)
        settings = settings.model_copy(update={"hf_endpoint": web.url("", host="127.0.0.1")})

        with pytest.raises(error, match=f"the Hub answers {status}"):
            facts(at("config.json"), settings)


def test_the_name_in_git_is_a_digest_with_a_head(hub, settings):
    named = hashlib.sha1(b"blob %d\0" % len(CONFIG) + CONFIG).hexdigest()

    assert hub.file_of("config.json").git_id == named
