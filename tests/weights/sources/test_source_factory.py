"""The sources of a file and their order."""

from __future__ import annotations

import gc
import subprocess
import sys
from contextlib import ExitStack

import pytest

from models.catalog import MANIFESTS
from tests.weights.read_source import read
from tests.weights.volume_helpers import digest, weight_file
from weights.errors import SourceNotFound, WeightsError
from weights.manifest.source_uri import SourceUri
from weights.settings import WeightsSettings
from weights.sources.source_factory import open_sources
from weights.trust import Trust

CONTENT = b"0123456789"


@pytest.fixture
def settings(hub):
    return WeightsSettings(hf_endpoint=hub.url, hf_token=hub.token)


@pytest.fixture
def opened():
    """`open_sources` whose connections are closed with the test."""
    with ExitStack() as stack:
        yield lambda settings: stack.enter_context(open_sources(settings))


def names(settings, file):
    with open_sources(settings) as sources:
        return [str(source) for source in sources.for_file(file)]


def test_the_mirror_of_the_settings_is_tried_before_the_source_and_its_mirrors(settings, tmp_path):
    mirror = f"file://{tmp_path}/my%20mirror/"
    file = weight_file(CONTENT).model_copy(
        update={"mirrors": weight_file(CONTENT, source="https://other.test/model").mirrors}
    )
    other = weight_file(CONTENT, source="https://other.test/model?key=x").source
    file = file.model_copy(update={"mirrors": (other,)})

    found = names(settings.model_copy(update={"weights_mirror": mirror}), file)

    assert found == [
        f"{tmp_path}/my mirror/blobs/{digest(CONTENT)}",
        str(file.source),
        "https://other.test/model",
    ]


def test_a_file_without_a_digest_is_not_requested_from_a_mirror(settings, tmp_path):
    settings = settings.model_copy(update={"weights_mirror": f"file://{tmp_path}"})

    assert names(settings, weight_file(CONTENT, known=False)) == [str(weight_file(CONTENT).source)]


def test_a_file_is_read_from_a_mirror_that_has_it(settings, tmp_path, opened):
    settings = settings.model_copy(update={"weights_mirror": f"file://{tmp_path}"})
    mirror, _ = opened(settings).for_file(weight_file(CONTENT))

    with pytest.raises(SourceNotFound):
        mirror.stat()
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / digest(CONTENT)).write_bytes(CONTENT)
    assert read(mirror) == CONTENT


def test_endpoint_and_token_come_from_the_settings(settings, hub, opened):
    hub.add("owner/name", {"model.safetensors": CONTENT})

    (source,) = opened(settings).for_file(weight_file(CONTENT))

    assert read(source) == CONTENT
    assert hub.seen[0].headers["authorization"] == f"Bearer {hub.token}"


def test_closing_the_factory_closes_its_connections(settings, hub):
    hub.add("owner/name", {"model.safetensors": CONTENT})
    sources = open_sources(settings)
    sources.for_file(weight_file(CONTENT))[0].stat()

    sources.close()

    gc.collect()


def test_opening_sources_does_not_import_googles_client():
    code = (
        "import sys, weights.sources.source_factory; "
        "sys.exit(any(name in sys.modules for name in ('google.cloud', 'huggingface_hub')))"
    )

    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_file_of_an_installed_package_is_read_from_it(settings, opened):
    uri = SourceUri.parse("package://models/musetalk/weights.toml")

    assert read(opened(settings).for_uri(uri)) == MANIFESTS["musetalk"].read_bytes()


@pytest.mark.parametrize(
    "uri",
    [
        "package://no_such_package/x",
        "package://models/../pyproject.toml",
        "package://models/%2e%2e/pyproject.toml",
        "package://models.wan/configs",
    ],
)
def test_a_package_source_does_not_leave_its_package(settings, uri, opened):
    with pytest.raises(SourceNotFound, match="no such file of an installed package"):
        opened(settings).for_uri(SourceUri.parse(uri))


@pytest.mark.parametrize(
    ("endpoint", "level", "trust"),
    [
        ("http://127.0.0.1:1", Trust.HUB, None),
        ("http://hub.test", Trust.HUB, "refused"),
        ("http://hub.test", Trust.PINNED, "refused"),
    ],
)
def test_digests_are_taken_over_tls_or_from_this_machine(settings, opened, endpoint, level, trust):
    settings = settings.model_copy(update={"hf_endpoint": endpoint, "weights_trust": level})

    with pytest.raises(WeightsError) as error:
        opened(settings).describe(weight_file(CONTENT).source)

    assert ("over https only" in str(error.value)) == (trust == "refused")
