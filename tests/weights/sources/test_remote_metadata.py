"""Metadata of files that are not downloaded."""

from __future__ import annotations

import hashlib
import os

import pytest
from pydantic import SecretStr

from tests.storage.web_server import serve
from tests.weights.fake_hub import COMMIT
from tests.weights.volume_helpers import digest
from weights.errors import (
    AccessDenied,
    SourceNotFound,
    SourceUnavailable,
    WeightsError,
    WrongContent,
)
from weights.manifest.remote import RemoteMetadata
from weights.manifest.source_uri import SourceUri
from weights.settings import WeightsSettings
from weights.sources.remote_metadata import list_files
from weights.sources.source_factory import open_sources

CONTENT = os.urandom(100_000)
CONFIG = b'{"_class_name": "Tiny"}'


def fetch_metadata(uri, settings):
    with open_sources(settings) as sources:
        return sources.describe(uri)


@pytest.fixture
def settings(hub):
    hub.add("owner/name", {"transformer/a.safetensors": CONTENT, "b.safetensors": CONFIG})
    hub.add("owner/name", {"transformer/deep/c.json": CONFIG, "config.json": CONFIG}, lfs=False)
    return WeightsSettings(hf_endpoint=hub.url, hf_token=None)


def hub_uri(path, revision="main", repo="owner/name"):
    return SourceUri.parse(f"hf://{repo}@{revision}/{path}")


def test_a_large_file_is_not_downloaded(hub, settings):
    found = fetch_metadata(hub_uri("transformer/a.safetensors"), settings)

    pinned = hub_uri("transformer/a.safetensors", COMMIT)
    assert found == RemoteMetadata(pinned, len(CONTENT), digest(CONTENT), COMMIT)
    assert hub.bytes == 0


def test_a_small_file_is_downloaded_for_its_digest(hub, settings):
    found = fetch_metadata(hub_uri("config.json", COMMIT), settings)

    assert found == RemoteMetadata(
        hub_uri("config.json", COMMIT), len(CONFIG), digest(CONFIG), COMMIT
    )
    assert hub.bytes == len(CONFIG)


def test_a_small_file_must_match_its_git_blob_id(hub, settings):
    hub.fail("config.json", "flip")

    with pytest.raises(WrongContent, match="do not match the git blob id"):
        fetch_metadata(hub_uri("config.json"), settings)


def test_a_pattern_is_matched_segment_by_segment(settings):
    def paths(pattern):
        return [found.uri.path for found in list_files(hub_uri(pattern), settings)]

    assert paths("*.safetensors") == ["b.safetensors"]
    assert paths("transformer/*") == ["transformer/a.safetensors"]
    assert paths("**/*.json") == ["config.json", "transformer/deep/c.json"]
    assert paths("none/*") == []


def test_list_files_describes_each_file(settings):
    (found,) = list_files(hub_uri("transformer/*.safetensors"), settings)

    pinned = hub_uri("transformer/a.safetensors", COMMIT)
    assert found == RemoteMetadata(pinned, len(CONTENT), digest(CONTENT), COMMIT)


@pytest.mark.parametrize("request_metadata", [fetch_metadata, list_files])
def test_a_missing_repository_or_revision_is_reported(settings, request_metadata):
    with pytest.raises(SourceNotFound, match="owner/none does not exist or is private"):
        request_metadata(hub_uri("config.json", repo="owner/none"), settings)
    with pytest.raises(SourceNotFound, match="no revision 'v9'"):
        request_metadata(hub_uri("config.json", "v9"), settings)


@pytest.mark.parametrize("path", ["none.bin", "transformer"])
def test_a_path_that_is_not_a_file_is_reported(settings, path):
    with pytest.raises(SourceNotFound, match=f"no file '{path}'"):
        fetch_metadata(hub_uri(path), settings)


def test_an_invalid_token_is_reported(settings):
    with pytest.raises(AccessDenied, match="HF_TOKEN is invalid"):
        fetch_metadata(
            hub_uri("config.json"), settings.model_copy(update={"hf_token": SecretStr("hf_wrong")})
        )


def test_a_gated_repository_needs_accepted_terms_and_a_token(hub, settings):
    hub.add("owner/gated", {"model.bin": CONTENT}, gated=True)

    with pytest.raises(AccessDenied, match="gated: accept its terms"):
        fetch_metadata(hub_uri("model.bin", repo="owner/gated"), settings)

    hub.accepted.add("owner/gated")
    known = settings.model_copy(update={"hf_token": SecretStr(hub.token)})
    assert fetch_metadata(hub_uri("model.bin", repo="owner/gated"), known).sha256 == digest(CONTENT)


def test_a_token_in_the_environment_is_not_sent_by_the_hub_client(hub, settings, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_of_somebody")

    fetch_metadata(hub_uri("config.json"), settings)

    assert not any("authorization" in seen.headers for seen in hub.seen)


def test_other_sources_report_only_a_size(hub, settings, tmp_path):
    web = SourceUri.parse(hub.page("/weights", CONTENT))
    (tmp_path / "weights").write_bytes(CONTENT)
    folder = SourceUri.parse(f"file://{tmp_path}/weights")

    assert fetch_metadata(web, settings) == RemoteMetadata(web, len(CONTENT))
    assert fetch_metadata(folder, settings) == RemoteMetadata(folder, len(CONTENT))
    with pytest.raises(WeightsError, match="only with hf:// sources"):
        list_files(web, settings)


def test_an_unreachable_hub_is_unavailable(settings):
    settings = settings.model_copy(update={"hf_endpoint": "http://127.0.0.1:9"})

    with pytest.raises(SourceUnavailable):
        fetch_metadata(hub_uri("config.json"), settings)


@pytest.mark.parametrize(("status", "error"), [(429, SourceUnavailable), (418, WeightsError)])
def test_error_statuses_of_the_hub_are_converted(settings, status, error):
    with serve() as web:
        web.respond("/api/models/owner/name/revision/main", status)
        settings = settings.model_copy(update={"hf_endpoint": web.url("", host="127.0.0.1")})

        with pytest.raises(error, match=f"the Hub responded with status {status}"):
            list_files(hub_uri("*.json"), settings)


def test_a_git_blob_id_is_a_sha1_with_a_header(hub, settings):
    named = hashlib.sha1(b"blob %d\0" % len(CONFIG) + CONFIG).hexdigest()

    assert hub.file_of("config.json").git_id == named
