"""`deploy/prepull.sh` pulls a list of models onto one volume."""

from __future__ import annotations

import os

from tests.cli.models.conftest import REPO
from tests.weights.fake_hub import COMMIT

FILES = {"a/one.safetensors": os.urandom(50_000), "two.json": b"{}"}


def stored_files(prepull, model):
    folder = prepull.volume / "models" / model / "default"
    return {path: (folder / path).read_bytes() for path in FILES}


def test_help_prints_the_options(prepull):
    result = prepull("--help")

    assert result.code == 0
    assert "--adopt FOLDER" in result.out


def test_a_dry_run_prints_the_commands_and_downloads_nothing(prepull):
    result = prepull("--dry-run", "--adopt", "/a cache", "musetalk", "wan2.2-i2v=gguf-q5_0")

    assert result.out.splitlines() == [
        "kinomill models pull musetalk --adopt '/a cache'",
        "kinomill models pull wan2.2-i2v --profile gguf-q5_0 --adopt '/a cache'",
    ]
    assert (result.code, prepull.hub.requests) == (0, 0)
    assert not prepull.volume.exists()


def test_with_compose_the_folders_are_mounted_read_only(prepull):
    result = prepull("--dry-run", "--compose", "--adopt", "hub", "musetalk")

    assert result.out.endswith(
        f" run --rm --no-deps --volume {prepull.folder}/hub:/adopt/1:ro weights"
        " kinomill models pull musetalk --adopt /adopt/1\n"
    )


def test_a_list_may_contain_comments_and_be_standard_input(prepull):
    models = "# for tomorrow\nmusetalk\n\n  wan2.2-i2v=bf16  # large\n"

    result = prepull("--dry-run", "--list", "-", stdin=models)

    assert [line.split()[3:] for line in result.out.splitlines()] == [
        ["musetalk"],
        ["wan2.2-i2v", "--profile", "bf16"],
    ]


def test_a_failed_model_does_not_stop_the_others(prepull):
    good = prepull.manifest(FILES, model="good")
    bad = prepull.manifest(FILES, model="bad", sha256="0" * 64)

    result = prepull(bad, good, "--volume", prepull.folder / "volume")

    assert result.code == 1
    assert result.err.endswith(f"prepull: could not be pulled: {bad}\n")
    assert stored_files(prepull, "good") == FILES


def test_files_in_another_projects_cache_are_not_downloaded(prepull):
    manifest = prepull.manifest(FILES, model="tiny")
    owner, name = REPO.split("/")
    snapshot = (
        prepull.folder / "huggingface/hub" / f"models--{owner}--{name}" / "snapshots" / COMMIT
    )
    for path, content in FILES.items():
        (snapshot / path).parent.mkdir(parents=True, exist_ok=True)
        (snapshot / path).write_bytes(content)

    result = prepull("--adopt", "huggingface", manifest)

    assert result.code == 0, result.err
    assert stored_files(prepull, "tiny") == FILES
    assert prepull.hub.bytes == 0


def test_a_usage_error_has_exit_code_2(prepull):
    assert prepull().code == 2
    assert prepull("--volume").code == 2
    assert prepull("--no-such", "musetalk").code == 2
    assert prepull("--list", prepull.folder / "none").code == 2
    assert prepull("--compose", "--volume", "/weights", "musetalk").code == 2
