"""`models list` and `models show`."""

from __future__ import annotations

import os
import signal

from models.catalog import MANIFESTS
from tests.cli.models.conftest import result_of
from tests.waiting import until

FILES = {"a/one.safetensors": os.urandom(300_000), "two.json": b"{}"}


def state(models, manifest):
    (profile,) = models("show", manifest, "--json").json["profiles"]
    return profile["state"], profile["done_bytes"]


def test_every_model_is_listed_with_the_state_of_its_profiles(models):
    listed = {one["name"]: one for one in models("list", "--json").json["models"]}

    assert set(MANIFESTS) <= set(listed)
    wan = listed["wan2.2-i2v"]
    assert wan["profile"] == "gguf-q4_k_m"
    profiles = {one["profile"]: one for one in wan["profiles"]}
    assert profiles["gguf-q4_k_m"].items() >= {"state": "absent", "trust": "pinned"}.items()
    assert profiles["gguf-q5_0"]["trust"] == "hub"
    assert profiles["gguf-q5_0"]["unknown_sizes"] == 2
    assert {one["trust"] for one in listed["kokoro"]["profiles"]} == {"pinned", "unverified"}


def test_the_list_marks_the_default_profile(models):
    profiles = '{"wan2.2-i2v": "bf16"}'

    result = models("list", KINOMILL_WEIGHTS_PROFILES=profiles).out

    assert "* bf16" in result
    assert "weights only" in result
    assert str(models.volume) in result


def test_a_model_is_absent_then_on_disk_then_corrupt(models):
    manifest = models.manifest(FILES)
    absent = state(models, manifest)
    models("pull", manifest)
    on_disk = state(models, manifest)
    blob = (models.volume / "models/tiny/default/two.json").resolve()
    blob.chmod(0o644)
    blob.write_bytes(b"")

    assert absent == ("absent", 0)
    assert on_disk == ("on_disk", 300_002)
    assert state(models, manifest) == ("corrupt", 300_000)


def test_an_interrupted_pull_is_listed_as_partial(models):
    manifest = models.manifest({"big": os.urandom(40_000_000)})
    gate = models.hub.hold("big", 0.5)
    pull = models.start("pull", manifest)
    until(lambda: models.hub.bytes >= 20_000_000, what="half of the file")
    pull.send_signal(signal.SIGTERM)
    assert result_of(pull).code == 128 + signal.SIGTERM
    gate.set()

    found, done = state(models, manifest)

    assert found == "partial"
    assert 0 < done < 40_000_000
    assert "partial, " in models("show", manifest).out


def test_show_prints_every_file_with_its_fields(models):
    manifest = models.manifest(FILES, note="for the tests")

    out = models("show", manifest).out

    for text in (*FILES, "300 kB", "MIT", "weights", "sha256 ", "for the tests", "hf://owner"):
        assert text in out


def test_show_prints_patterns_and_can_be_limited_to_one_profile(models):
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
