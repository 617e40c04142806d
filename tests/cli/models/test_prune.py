"""Room on the volume."""

from __future__ import annotations

import os

KEPT = {"kept": os.urandom(1000)}
OLD = {"old": os.urandom(2000)}


def pulled(models):
    manifests = [models.manifest(KEPT, model="kept"), models.manifest(OLD, model="old")]
    for manifest in manifests:
        models("pull", manifest)
    return manifests


def test_nothing_is_deleted_unasked(models):
    kept, _ = pulled(models)

    shown = models("prune", "--spare", 0, "--keep", kept)

    assert shown.code == 0
    assert "2.00 kB can go" in shown.out
    assert len(list((models.volume / "blobs").iterdir())) == 2


def test_what_no_kept_model_needs_goes(models):
    kept, old = pulled(models)

    shown = models("prune", "--spare", 0, "--keep", f"{kept}=default", "--yes", "--json")

    assert (shown.code, shown.json["bytes"], shown.json["deleted"]) == (0, 2000, True)
    assert models("verify", kept).code == 0
    assert models("show", old, "--json").json["profiles"][0]["state"] == "absent"


def test_the_models_of_the_worker_are_kept(models):
    pulled(models)

    shown = models("prune", "--spare", 0, KINOMILL_MODELS='["preview-lipsync"]')

    assert "3.00 kB can go" in shown.out


def test_who_names_no_model_must_say_so(models):
    pulled(models)

    assert models("prune").code == 2
    assert "3.00 kB deleted" in models("prune", "--spare", 0, "--all", "--yes").out


def test_what_is_quite_new_may_be_wanted_in_a_moment(models):
    pulled(models)

    assert "nothing to delete" in models("prune", "--all", "--yes").out
