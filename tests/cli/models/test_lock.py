"""`models lock` pins a manifest with the metadata of the Hub."""

from __future__ import annotations

import os

import pytest

from models.catalog import MANIFESTS
from tests.cli.models.conftest import REPO
from tests.weights.fake_hub import COMMIT

FILES = {"one.safetensors": os.urandom(3000), "two.json": b"{}"}
UNKNOWN = {"bytes": "unknown", "sha256": "unknown"}


def test_a_manifest_is_pinned_in_place(models):
    known = models.manifest(FILES).read_text()
    manifest = models.manifest(FILES, **UNKNOWN)
    manifest.write_text("# mine\n" + manifest.read_text().replace(COMMIT, "main"))

    locked = models("lock", manifest)
    pulled = models("pull", manifest)

    assert locked.code == 0, locked.err
    assert "filled in: one.safetensors: bytes, sha256, revision" in locked.out
    assert manifest.read_text() == "# mine\n" + known.replace("3000", "3_000")
    assert pulled.code == 0


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


@pytest.mark.parametrize("name", ["no.toml", "lip"])
def test_an_unknown_name_is_an_error(models, name):
    assert models("lock", name).code in {1, 2}


def test_lock_needs_either_names_or_all(models):
    assert models("lock").code == 2
    assert models("lock", *MANIFESTS, "--all").code == 2
