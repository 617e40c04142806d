"""What a manifest leaves open, filled in by its sources; all else stays as it was written."""

from __future__ import annotations

import os

import pytest

from tests.weights.build import COMMIT, digest
from tests.weights.fake_hub import fake_hub
from weights.errors import ManifestInvalid
from weights.manifest.lockfile import lock, write
from weights.manifest.remote_metadata import facts, listing
from weights.settings import WeightsSettings

ONE, TWO, VOICE = os.urandom(5000), b"{}", os.urandom(2000)

MANIFEST = """\
# A model of the tests.

schema = 1
model = "tiny"

[[files]]
path = "model.safetensors"  # the big one
role = "weights"
source = "hf://owner/tiny@main/model.safetensors"
sha256 = "unknown"  # nobody says
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

LOCKED = f"""\
# A model of the tests.

schema = 1
model = "tiny"

[[files]]
path = "model.safetensors"  # the big one
role = "weights"
source = "hf://owner/tiny@{COMMIT}/model.safetensors"
sha256 = "{digest(ONE)}"  # nobody says
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


def locked(hub, text):
    settings = WeightsSettings(hf_endpoint=hub.url, hf_token=None)
    text = text.replace("{commit}", COMMIT)
    return lock(text, lambda at: facts(at, settings), lambda at: listing(at, settings))


def test_facts_are_filled_in_and_the_text_stays(hub):
    found = locked(hub, MANIFEST)

    assert found.text == LOCKED
    assert found.filled == ["model.safetensors: bytes, sha256, revision", "config.json: sha256"]
    assert found.open == found.differs == []


def test_what_is_known_is_not_asked_for(hub):
    found = locked(hub, LOCKED)

    assert found.text == LOCKED
    assert hub.requests == 0


def test_a_pattern_becomes_the_files_that_it_matches(hub):
    found = locked(hub, LOCKED + PATTERN)

    assert found.text == LOCKED + VOICES
    assert len(found.filled) == 2


def test_a_file_that_is_named_already_is_not_named_twice(hub):
    first = VOICES.partition("\n\n[[files]]")[0].replace("# The voices.\n", "")

    found = locked(hub, LOCKED + first + "\n" + PATTERN)

    assert found.text.count('voices/a.pt"\nrole') == 1
    assert found.text.count('voices/b.pt"\nrole') == 1


def test_a_pattern_without_a_match_stays(hub):
    text = LOCKED + PATTERN.replace("voices/", "nothing/")

    found = locked(hub, text)

    assert found.text == text
    assert "none matches" in found.open[0]


def test_patterns_alone_make_a_manifest(hub):
    head, _, _ = LOCKED.partition("\n[[files]]")

    found = locked(hub, head + PATTERN)

    assert found.text.count("[[files]]") == 2
    assert "[[patterns]]" not in found.text


def test_a_fact_that_differs_from_the_source_is_told_and_never_changed(hub):
    text = MANIFEST.replace("bytes = 2\n", "bytes = 3\n")

    found = locked(hub, text)

    assert found.differs == [
        f"config.json: bytes is 3 here, 2 at hf://owner/tiny@{COMMIT}/config.json"
    ]
    assert "bytes = 3\n" in found.text


def test_what_cannot_be_asked_for_stays_open_with_the_reason(hub):
    text = MANIFEST.replace("owner/tiny@main", "owner/gone@main")

    found = locked(hub, text)

    assert "model.safetensors: bytes, sha256, revision" in found.open[0]
    assert "owner/gone" in found.open[0]
    assert found.filled == ["config.json: sha256"]


def test_a_web_server_knows_the_size_only(hub):
    address = hub.page("model.bin", ONE)
    text = MANIFEST.replace("hf://owner/tiny@main/model.safetensors", address)

    found = locked(hub, text)

    assert "model.safetensors: bytes" in found.filled
    assert found.open == ["model.safetensors: sha256 (its source does not say)"]


def test_a_manifest_with_a_fault_is_refused(hub):
    with pytest.raises(ManifestInvalid, match="license"):
        locked(hub, MANIFEST.replace('license = "MIT"\n', ""))


def test_a_manifest_is_replaced_in_one_step(tmp_path):
    path = tmp_path / "weights.toml"
    path.write_text(MANIFEST)
    path.chmod(0o640)

    write(path, LOCKED)

    assert path.read_text() == LOCKED
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]
