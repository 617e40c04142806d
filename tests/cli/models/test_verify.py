"""Every byte read again."""

from __future__ import annotations

import os

FILES = {"a/one.safetensors": os.urandom(300_000), "two.json": b"{}"}


def spoil(models, path, content):
    blob = (models.volume / "models/tiny/default" / path).resolve()
    blob.chmod(0o644)
    blob.write_bytes(content)


def test_a_whole_model_is_right(models):
    manifest = models.manifest(FILES)
    models("pull", manifest)

    shown = models("verify", manifest)

    assert shown.code == 0
    assert "every byte is right" in shown.out


def test_bad_files_are_named(models):
    manifest = models.manifest(FILES)
    models("pull", manifest)
    spoil(models, "two.json", b"[]")
    spoil(models, "a/one.safetensors", b"cut")

    shown = models("verify", manifest, "--json")

    assert (shown.code, shown.json["ok"]) == (1, False)
    (told,) = shown.json["models"]
    assert {fault["path"]: fault["flaw"] for fault in told["faults"]} == {
        "two.json": "wrong_bytes",
        "a/one.safetensors": "wrong_size",
    }


def test_bad_files_are_pulled_again(models):
    manifest = models.manifest(FILES)
    models("pull", manifest)
    spoil(models, "two.json", b"[]")
    before = models.hub.bytes

    shown = models("verify", manifest, "--repair")

    assert shown.code == 0
    assert "two.json: wrong bytes" in shown.out
    assert "repaired" in shown.out
    assert models.hub.bytes - before == 2
    assert models("verify", manifest).code == 0


def test_what_cannot_be_repaired_is_said(models):
    manifest = models.manifest(FILES)
    models("pull", manifest)
    spoil(models, "two.json", b"[]")
    models.hub.fail("two.json", 404, on="*")

    shown = models("verify", manifest, "--repair")

    assert shown.code == 1
    assert "not repaired" in shown.out


def test_an_empty_volume_has_nothing_to_verify(models):
    shown = models("verify")

    assert shown.code == 0
    assert str(models.volume) in shown.out
