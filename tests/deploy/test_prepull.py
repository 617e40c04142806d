"""A list of models onto one volume."""

from __future__ import annotations

import os

from tests.cli.models.conftest import REPO
from tests.weights.fake_hub import COMMIT

FILES = {"a/one.safetensors": os.urandom(50_000), "two.json": b"{}"}


def held(prepull, model):
    folder = prepull.volume / "models" / model / "default"
    return {path: (folder / path).read_bytes() for path in FILES}


def test_help_tells_what_it_does(prepull):
    shown = prepull("--help")

    assert shown.code == 0
    assert "--adopt FOLDER" in shown.out


def test_a_dry_run_prints_the_commands_and_fetches_nothing(prepull):
    shown = prepull("--dry-run", "--adopt", "/a cache", "musetalk", "wan2.2-i2v=gguf-q5_0")

    assert shown.out.splitlines() == [
        "kinomill models pull musetalk --adopt '/a cache'",
        "kinomill models pull wan2.2-i2v --profile gguf-q5_0 --adopt '/a cache'",
    ]
    assert (shown.code, prepull.hub.requests) == (0, 0)
    assert not prepull.volume.exists()


def test_in_compose_the_folders_are_mounted_read_only(prepull):
    shown = prepull("--dry-run", "--compose", "--adopt", "hub", "musetalk")

    assert shown.out.endswith(
        f" run --rm --no-deps --volume {prepull.folder}/hub:/adopt/1:ro weights"
        " kinomill models pull musetalk --adopt /adopt/1\n"
    )


def test_a_list_may_hold_comments_and_come_from_standard_input(prepull):
    models = "# for tomorrow\nmusetalk\n\n  wan2.2-i2v=bf16  # large\n"

    shown = prepull("--dry-run", "--list", "-", stdin=models)

    assert [line.split()[3:] for line in shown.out.splitlines()] == [
        ["musetalk"],
        ["wan2.2-i2v", "--profile", "bf16"],
    ]


def test_what_can_be_had_comes_although_something_cannot(prepull):
    good = prepull.manifest(FILES, model="good")
    bad = prepull.manifest(FILES, model="bad", sha256="0" * 64)

    shown = prepull(bad, good, "--volume", prepull.folder / "volume")

    assert shown.code == 1
    assert shown.err.endswith(f"prepull: could not be had: {bad}\n")
    assert held(prepull, "good") == FILES


def test_the_cache_of_another_project_spares_the_download(prepull):
    manifest = prepull.manifest(FILES, model="tiny")
    owner, name = REPO.split("/")
    snapshot = (
        prepull.folder / "huggingface/hub" / f"models--{owner}--{name}" / "snapshots" / COMMIT
    )
    for path, content in FILES.items():
        (snapshot / path).parent.mkdir(parents=True, exist_ok=True)
        (snapshot / path).write_bytes(content)

    shown = prepull("--adopt", "huggingface", manifest)

    assert shown.code == 0, shown.err
    assert held(prepull, "tiny") == FILES
    assert prepull.hub.bytes == 0


def test_usage_is_told_from_failure(prepull):
    assert prepull().code == 2
    assert prepull("--volume").code == 2
    assert prepull("--no-such", "musetalk").code == 2
    assert prepull("--list", prepull.folder / "none").code == 2
    assert prepull("--compose", "--volume", "/weights", "musetalk").code == 2
