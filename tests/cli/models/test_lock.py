"""The open facts of a manifest, filled in by the Hub."""

from __future__ import annotations

import os

import pytest

from models.catalog import MANIFESTS
from tests.cli.models.conftest import REPO
from tests.weights.fake_hub import COMMIT

FILES = {"one.safetensors": os.urandom(3000), "two.json": b"{}"}
OPEN = {"bytes": "unknown", "sha256": "unknown"}


def test_a_manifest_is_filled_in_where_it_lies(models):
    known = models.manifest(FILES).read_text()
    manifest = models.manifest(FILES, **OPEN)
    manifest.write_text("# mine\n" + manifest.read_text().replace(COMMIT, "main"))

    locked = models("lock", manifest)
    pulled = models("pull", manifest)

    assert locked.code == 0, locked.err
    assert "filled in: one.safetensors: bytes, sha256, revision" in locked.out
    assert manifest.read_text() == "# mine\n" + known.replace("3000", "3_000")
    assert pulled.code == 0


def test_a_check_writes_nothing(models):
    manifest = models.manifest(FILES, **OPEN)
    before = manifest.read_text()

    shown = models("lock", manifest, "--check", "--json")

    assert len(shown.json["models"][0]["filled"]) == 2
    assert manifest.read_text() == before


def test_what_the_hub_does_not_have_stays_open(models):
    manifest = models.manifest(FILES, **OPEN)
    manifest.write_text(manifest.read_text().replace(REPO, "owner/gone"))

    shown = models("lock", manifest)

    assert shown.code == 1
    assert "still open: one.safetensors" in shown.out
    assert "owner/gone" in shown.out


def test_a_manifest_that_contradicts_the_hub_is_told(models):
    manifest = models.manifest(FILES, bytes=5, sha256="unknown")

    shown = models("lock", manifest)

    assert shown.code == 1
    assert "differs: two.json: bytes is 5 here, 2 at hf://" in shown.out
    assert "all is known" in models("lock", models.manifest(FILES)).out


@pytest.mark.parametrize("name", ["no.toml", "lip"])
def test_a_name_that_does_not_exist_is_a_sentence(models, name):
    assert models("lock", name).code in {1, 2}


def test_there_must_be_something_to_lock(models):
    assert models("lock").code == 2
    assert models("lock", *MANIFESTS, "--all").code == 2
