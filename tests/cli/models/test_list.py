"""What there is, and what of it lies here."""

from __future__ import annotations

import os
import signal

from models.catalog import MANIFESTS
from tests.cli.models.conftest import ended
from tests.waiting import until

FILES = {"a/one.safetensors": os.urandom(300_000), "two.json": b"{}"}


def state(models, manifest):
    (profile,) = models("show", manifest, "--json").json["profiles"]
    return profile["state"], profile["done_bytes"]


def test_every_model_is_listed_with_the_state_of_its_profiles(models):
    found = {one["name"]: one for one in models("list", "--json").json["models"]}

    assert set(MANIFESTS) <= set(found)
    wan = found["wan2.2-i2v"]
    assert wan["profile"] == "gguf-q5_0"
    assert {"profile", "bytes", "state", "locked", "license"} <= set(wan["profiles"][0])
    assert wan["profiles"][0]["state"] == "absent"


def test_people_see_the_profile_that_a_pull_takes(models):
    profiles = '{"wan2.2-i2v": "bf16"}'

    shown = models("list", KINOMILL_WEIGHTS_PROFILES=profiles).out

    assert "* bf16" in shown
    assert "weights only" in shown
    assert str(models.volume) in shown


def test_a_model_is_absent_then_on_disk_then_broken(models):
    manifest = models.manifest(FILES)
    absent = state(models, manifest)
    models("pull", manifest)
    on_disk = state(models, manifest)
    blob = (models.volume / "models/tiny/default/two.json").resolve()
    blob.chmod(0o644)
    blob.write_bytes(b"")

    assert absent == ("absent", 0)
    assert on_disk == ("on_disk", 300_002)
    assert state(models, manifest) == ("broken", 300_000)


def test_a_pull_that_was_stopped_counts_as_far_as_it_came(models):
    manifest = models.manifest({"big": os.urandom(40_000_000)})
    gate = models.hub.hold("big", 0.5)
    pull = models.start("pull", manifest)
    until(lambda: models.hub.bytes >= 20_000_000, what="half of the file")
    pull.send_signal(signal.SIGTERM)
    assert ended(pull).code == 128 + signal.SIGTERM
    gate.set()

    seen, done = state(models, manifest)

    assert seen == "partial"
    assert 0 < done < 40_000_000
    assert "partial, " in models("show", manifest).out


def test_show_names_every_file_with_its_facts(models):
    manifest = models.manifest(FILES, note="for the tests")

    out = models("show", manifest).out

    for words in (*FILES, "300 kB", "MIT", "weights", "sha256 ", "for the tests", "hf://owner"):
        assert words in out


def test_show_names_patterns_and_one_profile_alone(models):
    pattern = """
[[patterns]]
source = "hf://owner/model@main/voices/*.pt"
role = "voice"
license = "MIT"
profiles = ["voices"]
note = "all of them"
"""
    manifest = models.manifest(FILES, mirrors=["https://example.com/other"], extra=pattern)

    out = models("show", manifest, "--profile", "voices").out

    assert "voices/*.pt" in out
    assert "all of them" in out
    assert "two.json" not in out
    assert "or https://example.com/other" in models("show", manifest).out
