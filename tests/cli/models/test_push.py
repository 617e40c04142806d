"""`models push` writes a mirror that `models pull` reads."""

from __future__ import annotations

import os

import pytest

from tests.faults.bucket import bucket_at

FILES = {"a/one.safetensors": os.urandom(300_000), "two.json": b"{}"}


@pytest.fixture
def bucket(models):
    with bucket_at(models.folder) as bucket:
        models.variables |= bucket.variables
        yield bucket.server


def test_a_model_is_pushed_to_a_bucket_and_pulled_from_it(models, bucket):
    manifest = models.manifest(FILES)
    models("pull", manifest)
    mirror = f"gs://{bucket.bucket.name}/weights"

    pushed = models.run_in_process("push", manifest, mirror)
    from_hub = models.hub.bytes
    pulled = models.run_in_process(
        "pull",
        manifest,
        "--volume",
        models.folder / "other",
        KINOMILL_WEIGHTS_MIRROR=mirror,
    )

    assert pushed.code == 0, pushed.err
    assert f"2 files (300 kB) sent to {mirror}" in pushed.out
    assert "weights/models/tiny/weights.toml" in bucket.bucket.objects
    assert pulled.code == 0, pulled.err
    assert models.hub.bytes == from_hub


def test_a_second_push_sends_nothing(models):
    manifest = models.manifest(FILES)
    models("pull", manifest)
    mirror = (models.folder / "mirror").as_uri()
    models("push", manifest, mirror)

    result = models("push", manifest, mirror, "--json")

    assert result.json["sent"] == []
    assert sorted(result.json["present"]) == sorted(FILES)


def test_a_model_that_is_not_on_the_volume_cannot_be_pushed(models):
    result = models("push", models.manifest(FILES), (models.folder / "mirror").as_uri())

    assert result.code == 1
    assert "kinomill models pull" in result.err


def test_an_unsupported_mirror_uri_is_refused(models):
    manifest = models.manifest(FILES)
    models("pull", manifest)

    result = models("push", manifest, "s3://bucket")

    assert result.code == 1
    assert "gs://bucket/prefix" in result.err
