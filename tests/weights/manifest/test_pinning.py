"""Pinning fills in unknown values of a manifest and leaves the rest of its text unchanged."""

from __future__ import annotations

import os

import pytest

from tests.weights.fake_hub import fake_hub
from tests.weights.volume_helpers import COMMIT, digest
from weights.errors import ManifestInvalid
from weights.manifest.pinning import pin, write_manifest
from weights.settings import WeightsSettings
from weights.sources.remote_metadata import list_files
from weights.sources.source_factory import open_sources

ONE, TWO, VOICE = os.urandom(5000), b"{}", os.urandom(2000)

MANIFEST = """\
# A model of the tests.

schema = 1
model = "tiny"

[[files]]
path = "model.safetensors"  # the big one
role = "weights"
source = "hf://owner/tiny@main/model.safetensors"
sha256 = "unknown"  # not published
bytes = "unknown"
license = "MIT"

# What follows is small.
[[files]]
path = "config.json"
role = "config"
source = "hf://owner/tiny@{commit}/config.json"
bytes = 2
sha256 = "unknown"
license = "MIT"
"""

PINNED = f"""\
# A model of the tests.

schema = 1
model = "tiny"

[[files]]
path = "model.safetensors"  # the big one
role = "weights"
source = "hf://owner/tiny@{COMMIT}/model.safetensors"
sha256 = "{digest(ONE)}"  # not published
bytes = 5_000
license = "MIT"

# What follows is small.
[[files]]
path = "config.json"
role = "config"
source = "hf://owner/tiny@{COMMIT}/config.json"
bytes = 2
sha256 = "{digest(TWO)}"
license = "MIT"
"""

PATTERN = """
# The voices.
[[patterns]]
source = "hf://owner/tiny@main/voices/*.pt"
role = "voice"
license = "MIT"
into = "sounds"
note = "all of them"

# The end.
"""

VOICES = f"""
# The voices.
[[files]]
path = "sounds/voices/a.pt"
role = "voice"
source = "hf://owner/tiny@{COMMIT}/voices/a.pt"
bytes = 2_000
sha256 = "{digest(VOICE)}"
license = "MIT"
profiles = ["default"]
note = "all of them"

[[files]]
path = "sounds/voices/b.pt"
role = "voice"
source = "hf://owner/tiny@{COMMIT}/voices/b.pt"
bytes = 2_000
sha256 = "{digest(VOICE)}"
license = "MIT"
profiles = ["default"]
note = "all of them"

# The end.
"""


@pytest.fixture
def hub():
    with fake_hub() as hub:
        hub.add("owner/tiny", {"model.safetensors": ONE}, commit=COMMIT)
        hub.add("owner/tiny", {"voices/a.pt": VOICE, "voices/b.pt": VOICE}, commit=COMMIT)
        hub.add("owner/tiny", {"config.json": TWO}, commit=COMMIT, lfs=False)
        yield hub


def pinned(hub, text):
    settings = WeightsSettings(hf_endpoint=hub.url, hf_token=None)
    text = text.replace("{commit}", COMMIT)
    with open_sources(settings) as sources:
        return pin(text, sources.describe, lambda uri: list_files(uri, settings))


def test_unknown_values_are_filled_in_and_the_rest_of_the_text_stays(hub):
    result = pinned(hub, MANIFEST)

    assert result.text == PINNED
    assert result.filled == ["model.safetensors: bytes, sha256, revision", "config.json: sha256"]
    assert result.unresolved == result.conflicts == []


def test_known_values_need_no_request(hub):
    result = pinned(hub, PINNED)

    assert result.text == PINNED
    assert hub.requests == 0


def test_a_pattern_is_replaced_by_the_files_it_matches(hub):
    result = pinned(hub, PINNED + PATTERN)

    assert result.text == PINNED + VOICES
    assert len(result.filled) == 2


def test_a_file_already_listed_is_not_added_by_a_pattern(hub):
    first = VOICES.partition("\n\n[[files]]")[0].replace("# The voices.\n", "")

    result = pinned(hub, PINNED + first + "\n" + PATTERN)

    assert result.text.count('voices/a.pt"\nrole') == 1
    assert result.text.count('voices/b.pt"\nrole') == 1


def test_a_pattern_without_a_match_stays(hub):
    text = PINNED + PATTERN.replace("voices/", "nothing/")

    result = pinned(hub, text)

    assert result.text == text
    assert "no file matches" in result.unresolved[0]


def test_a_manifest_may_consist_of_patterns_only(hub):
    head, _, _ = PINNED.partition("\n[[files]]")

    result = pinned(hub, head + PATTERN)

    assert result.text.count("[[files]]") == 2
    assert "[[patterns]]" not in result.text


def test_a_conflict_with_the_source_is_reported_and_the_manifest_unchanged(hub):
    text = MANIFEST.replace("bytes = 2\n", "bytes = 3\n")

    result = pinned(hub, text)

    assert result.conflicts == [
        f"config.json: bytes is 3 here, 2 at hf://owner/tiny@{COMMIT}/config.json"
    ]
    assert "bytes = 3\n" in result.text


def test_an_unavailable_source_leaves_values_unresolved_with_the_reason(hub):
    text = MANIFEST.replace("owner/tiny@main", "owner/gone@main")

    result = pinned(hub, text)

    assert "model.safetensors: bytes, sha256, revision" in result.unresolved[0]
    assert "owner/gone" in result.unresolved[0]
    assert result.filled == ["config.json: sha256"]


def test_a_web_server_reports_only_the_size(hub):
    address = hub.page("model.bin", ONE)
    text = MANIFEST.replace("hf://owner/tiny@main/model.safetensors", address)

    result = pinned(hub, text)

    assert "model.safetensors: bytes" in result.filled
    assert result.unresolved == ["model.safetensors: sha256 (not reported by its source)"]


def test_an_invalid_manifest_is_refused(hub):
    with pytest.raises(ManifestInvalid, match="license"):
        pinned(hub, MANIFEST.replace('license = "MIT"\n', ""))


def test_a_manifest_is_replaced_atomically_and_keeps_its_mode(tmp_path):
    path = tmp_path / "weights.toml"
    path.write_text(MANIFEST)
    path.chmod(0o640)

    write_manifest(path, PINNED)

    assert path.read_text() == PINNED
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]
