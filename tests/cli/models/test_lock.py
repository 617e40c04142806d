"""`models lock` records on the volume, or in a manifest, what the Hub says about files."""

from __future__ import annotations

import os

import pytest

from models.catalog import MANIFESTS
from tests.cli.models.conftest import REPO
from tests.weights.fake_hub import COMMIT
from tests.weights.volume_helpers import digest

FILES = {"one.safetensors": os.urandom(3000), "two.json": b"{}"}
UNKNOWN = {"bytes": "unknown", "sha256": "unknown"}


def test_everything_unknown_is_recorded_on_the_volume(models):
    manifest = models.manifest(FILES, **UNKNOWN)
    manifest.write_text(manifest.read_text().replace(COMMIT, "main"))
    manifest.chmod(0o444)
    before = manifest.read_text()

    refused = models("pull", manifest)
    locked = models("lock", manifest)
    pulled = models("pull", manifest)
    again = models("lock", manifest)

    assert refused.code == 1
    assert "`kinomill models lock tiny`" in refused.err
    assert locked.code == 0, locked.err
    assert "recorded: one.safetensors: bytes, sha256, revision" in locked.out
    assert manifest.read_text() == before
    assert pulled.code == 0, pulled.err
    assert (again.code, again.out) == (0, "tiny: every value is known\n")
    assert f"hf://{REPO}@{COMMIT}/one.safetensors" in models("show", manifest).out


def test_the_files_of_a_pattern_are_recorded_and_pulled(models):
    models.hub.add(REPO, {"voices/b.pt": b"b", "voices/a.pt": b"a"})
    pattern = f'[[patterns]]\nsource = "hf://{REPO}@{COMMIT}/voices/*.pt"\nrole = "voice"\n'
    manifest = models.manifest(FILES, extra=f'\n{pattern}license = "MIT"\ninto = "sounds"\n')

    refused = models("pull", manifest)
    locked = models("lock", manifest, "--json")
    pulled = models("pull", manifest)

    assert "The names of the files" in refused.err
    assert len(locked.json["models"][0]["filled"]) == 2
    assert pulled.code == 0, pulled.err
    assert (models.volume / "models/tiny/default/sounds/voices/a.pt").read_bytes() == b"a"


def test_a_record_that_the_hub_contradicts_is_reported_and_kept(models):
    manifest = models.manifest(FILES, **UNKNOWN)
    models("lock", manifest)
    models.hub.file_of("one.safetensors").change()

    result = models("lock", manifest)

    assert result.code == 1
    assert "conflict: hf://" in result.out
    assert "delete " in result.out
    (record,) = [p for p in (models.volume / "overlay").iterdir() if str(p) in result.out]
    assert digest(FILES["one.safetensors"]) in record.read_text()


def test_a_damaged_record_is_reported(models):
    manifest = models.manifest(FILES, **UNKNOWN)
    models("lock", manifest)
    record = next((models.volume / "overlay").iterdir())
    record.write_text("{")

    result = models("pull", manifest)

    assert result.code == 1
    assert f"{record} is damaged: delete it" in result.err


def test_a_manifest_is_pinned_in_place(models):
    known = models.manifest(FILES).read_text()
    manifest = models.manifest(FILES, **UNKNOWN)
    manifest.write_text("# mine\n" + manifest.read_text().replace(COMMIT, "main"))

    locked = models("lock", manifest, "--in-place")

    assert locked.code == 0, locked.err
    assert "recorded: one.safetensors: bytes, sha256, revision" in locked.out
    assert manifest.read_text() == "# mine\n" + known.replace("3000", "3_000")
    assert not (models.volume / "overlay").exists()


def test_check_writes_nothing(models):
    manifest = models.manifest(FILES, **UNKNOWN)
    before = manifest.read_text()

    result = models("lock", manifest, "--check", "--json")

    assert len(result.json["models"][0]["filled"]) == 2
    assert manifest.read_text() == before


def test_values_of_a_missing_repository_stay_unknown(models):
    manifest = models.manifest(FILES, **UNKNOWN)
    manifest.write_text(manifest.read_text().replace(REPO, "owner/gone"))

    result = models("lock", manifest)

    assert result.code == 1
    assert "still unknown: one.safetensors" in result.out
    assert "owner/gone" in result.out


def test_a_conflict_with_the_hub_is_reported(models):
    manifest = models.manifest(FILES, bytes=5, sha256="unknown")

    result = models("lock", manifest)

    assert result.code == 1
    assert "conflict: two.json: bytes is 5 here, 2 at hf://" in result.out
    assert "every value is known" in models("lock", models.manifest(FILES)).out


def test_check_records_nothing(models):
    manifest = models.manifest(FILES, **UNKNOWN)

    assert "would record: one.safetensors" in models("lock", manifest, "--check").out
    assert not models.volume.exists()


@pytest.mark.parametrize("name", ["no.toml", "lip"])
def test_an_unknown_name_is_an_error(models, name):
    assert models("lock", name).code in {1, 2}


def test_lock_needs_either_names_or_all(models):
    assert models("lock").code == 2
    assert models("lock", *MANIFESTS, "--all").code == 2
