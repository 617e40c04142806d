"""`models prune` frees space on the volume."""

from __future__ import annotations

import os

KEPT = {"kept": os.urandom(1000)}
OLD = {"old": os.urandom(2000)}


def pulled(models):
    manifests = [models.manifest(KEPT, model="kept"), models.manifest(OLD, model="old")]
    for manifest in manifests:
        models("pull", manifest)
    return manifests


def test_nothing_is_deleted_without_yes(models):
    kept, _ = pulled(models)

    result = models("prune", "--spare", 0, "--keep", kept)

    assert result.code == 0
    assert "2.00 kB can be deleted" in result.out
    assert len(list((models.volume / "blobs").iterdir())) == 2


def test_files_that_no_kept_model_needs_are_deleted(models):
    kept, old = pulled(models)

    result = models("prune", "--spare", 0, "--keep", f"{kept}=default", "--yes", "--json")

    assert (result.code, result.json["bytes"], result.json["deleted"]) == (0, 2000, True)
    assert models("verify", kept).code == 0
    assert models("show", old, "--json").json["profiles"][0]["state"] == "absent"


def test_the_models_of_the_worker_are_kept(models):
    pulled(models)

    result = models("prune", "--spare", 0, KINOMILL_MODELS='["preview-lipsync"]')

    assert "3.00 kB can be deleted" in result.out


def test_without_a_kept_model_all_is_required(models):
    pulled(models)

    assert models("prune").code == 2
    assert "3.00 kB deleted" in models("prune", "--spare", 0, "--all", "--yes").out


def test_new_files_are_spared(models):
    pulled(models)

    assert "nothing to delete" in models("prune", "--all", "--yes").out
