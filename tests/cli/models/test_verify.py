"""`models verify` reads and hashes every stored byte again."""

from __future__ import annotations

import os

FILES = {"a/one.safetensors": os.urandom(300_000), "two.json": b"{}"}


def corrupt(models, path, content):
    blob = (models.volume / "models/tiny/default" / path).resolve()
    blob.chmod(0o644)
    blob.write_bytes(content)


def test_a_complete_model_is_correct(models):
    manifest = models.manifest(FILES)
    models("pull", manifest)

    result = models("verify", manifest)

    assert result.code == 0
    assert "all files are correct" in result.out


def test_bad_files_are_reported(models):
    manifest = models.manifest(FILES)
    models("pull", manifest)
    corrupt(models, "two.json", b"[]")
    corrupt(models, "a/one.safetensors", b"cut")

    result = models("verify", manifest, "--json")

    assert (result.code, result.json["ok"]) == (1, False)
    (entry,) = result.json["models"]
    assert {bad["path"]: bad["reason"] for bad in entry["bad_files"]} == {
        "two.json": "wrong_bytes",
        "a/one.safetensors": "wrong_size",
    }


def test_bad_files_are_repaired(models):
    manifest = models.manifest(FILES)
    models("pull", manifest)
    corrupt(models, "two.json", b"[]")
    before = models.hub.bytes

    result = models("verify", manifest, "--repair")

    assert result.code == 0
    assert "two.json: wrong bytes" in result.out
    assert "repaired" in result.out
    assert models.hub.bytes - before == 2
    assert models("verify", manifest).code == 0


def test_a_failed_repair_is_reported(models):
    manifest = models.manifest(FILES)
    models("pull", manifest)
    corrupt(models, "two.json", b"[]")
    models.hub.fail("two.json", 404, on="*")

    result = models("verify", manifest, "--repair")

    assert result.code == 1
    assert "not repaired" in result.out


def test_an_empty_volume_has_nothing_to_verify(models):
    result = models("verify")

    assert result.code == 0
    assert str(models.volume) in result.out
