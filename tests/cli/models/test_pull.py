"""`models pull` downloads weights to the volume."""

from __future__ import annotations

import json
import os
import pty
import signal
from contextlib import suppress
from uuid import uuid4

import pytest

from tests.cli.models.conftest import REPO, entry, result_of
from tests.waiting import until
from tests.weights.volume_helpers import digest

FILES = {"a/one.safetensors": os.urandom(300_000), "two.json": b"{}"}
CARD = """
from datetime import timedelta
from pathlib import Path
from models.spec import Card, Input, License

CARD = Card(
    name="tiny", task="lip-sync", summary="A test.", input=Input, runner="x:y", queue="tiny",
    license=License("CC-BY-NC-4.0", commercial="no", url="https://example.com/nc"),
    hardware="CPU", time_limit=timedelta(minutes=1), weights=Path("{manifest}"),
)
"""


def stored(models, name="tiny", profile="default"):
    folder = models.volume / "models" / name / profile
    return {path: (folder / path).read_bytes() for path in FILES}


def own_card(models, manifest):
    """Write a card as an operator would, and return its import path."""
    module = f"own_{uuid4().hex}"
    (models.folder / f"{module}.py").write_text(CARD.replace("{manifest}", str(manifest)))
    return f"{module}:CARD"


def test_pulled_files_are_verified_and_have_their_own_names(models):
    manifest = models.manifest(FILES)

    result = models("pull", manifest, "--json")

    assert (result.code, result.json["ok"]) == (0, True)
    assert stored(models) == FILES
    (entry,) = result.json["models"]
    assert (entry["name"], entry["profile"]) == ("tiny", "default")
    assert entry["fetched_bytes"] == 300_002
    assert models.hub.bytes == 300_002


def test_a_second_pull_sends_no_request(models):
    manifest = models.manifest(FILES)
    models("pull", manifest)
    before = models.hub.requests

    result = models("pull", manifest)

    assert result.code == 0
    assert "nothing to download" in result.out
    assert models.hub.requests == before


def test_ctrl_c_keeps_downloaded_data_and_says_so(models):
    big = os.urandom(40_000_000)
    manifest = models.manifest({"big": big})
    gate = models.hub.hold("big", 0.5)
    pull = models.start("pull", manifest, KINOMILL_WEIGHTS_CONNECTIONS="1")
    until(lambda: models.hub.bytes >= len(big) // 2, what="half of the file")

    pull.send_signal(signal.SIGINT)
    stopped = result_of(pull)
    gate.set()
    before = models.hub.bytes
    resumed = models("pull", manifest)

    assert stopped.code == 130
    assert "the next pull resumes from it" in stopped.err
    assert resumed.code == 0
    assert models.hub.bytes - before < 0.75 * len(big)


def test_without_a_terminal_progress_is_printed_as_lines(models):
    manifest = models.manifest({"big": os.urandom(2_000_000)})
    models.hub.bytes_per_second = 1_000_000

    result = models("pull", manifest, KINOMILL_WEIGHTS_CONNECTIONS="1")

    assert "of 2.00 MB" in result.err
    assert "\r" not in result.err
    assert "2.00 MB downloaded in" in result.out


def test_on_a_terminal_bars_show_each_file_and_the_total(models):
    manifest = models.manifest({"one": os.urandom(2_000_000), "two": os.urandom(2_000_000)})
    models.hub.bytes_per_second = 1_000_000
    reader, writer = pty.openpty()
    pull = models.start("pull", manifest, err=writer, TERM="xterm", COLUMNS="120")
    os.close(writer)

    drawn = terminal(reader)

    assert pull.wait(60) == 0
    pull.stdout.close()
    for text in ("one", "tiny (default)", "of 4.00 MB", "MB/s", "0:00:0"):
        assert text in drawn


def terminal(reader):
    """Return all that was written to the terminal until it was closed."""
    drawn = b""
    with suppress(OSError):  # Linux raises EIO once the writer has closed it
        while piece := os.read(reader, 65536):
            drawn += piece
    os.close(reader)
    return drawn.decode()


def test_a_failed_model_does_not_stop_the_others(models):
    gated = models.folder / "gated.toml"
    text = models.manifest(FILES, model="gated").read_text()
    models.hub.add("owner/gated", FILES, gated=True)
    gated.write_text(text.replace(REPO, "owner/gated"))

    result = models("pull", gated, models.manifest(FILES))

    assert result.code == 1
    assert "owner/gated is gated" in result.err
    assert "HF_TOKEN" in result.err
    assert stored(models) == FILES


def test_a_digest_of_the_hub_is_enough_unless_pinned_files_are_required(models):
    manifest = models.manifest(FILES, sha256="unknown")

    refused = models("pull", manifest, "--trust", "pinned")
    set_ = models("pull", manifest, KINOMILL_WEIGHTS_TRUST="pinned")
    taken = models("pull", manifest)

    assert (refused.code, set_.code) == (1, 1)
    assert "The manifest has no sha256 of a/one.safetensors, two.json" in refused.err
    assert "KINOMILL_WEIGHTS_TRUST=hub" in refused.err
    assert taken.code == 0
    assert stored(models) == FILES
    shown = models("show", manifest).out
    assert f"sha256 {digest(FILES['two.json'])} (hub, recorded on 20" in shown


def test_a_file_without_any_digest_is_refused_unless_unverified_ones_are_allowed(models):
    manifest = models.manifest({"a": b"content"}, sha256="unknown")
    page = models.hub.page("/a", b"content")
    text = manifest.read_text()
    source = next(line for line in text.splitlines() if line.startswith("source"))
    manifest.write_text(text.replace(source, f'source = "{page}"'))

    refused = models("pull", manifest)
    taken = models("pull", manifest, "--trust", "unverified")

    assert refused.code == 1
    assert "Nothing vouches for the bytes of a" in refused.err
    assert "KINOMILL_WEIGHTS_TRUST=unverified" in refused.err
    assert taken.code == 0


def test_the_pull_fails_if_the_hub_says_something_else_than_was_recorded(models):
    manifest = models.manifest(FILES, sha256="unknown")
    models("pull", manifest)
    blob = (models.volume / "models/tiny/default/a/one.safetensors").resolve()
    blob.unlink()
    models.hub.file_of("a/one.safetensors").change()

    result = models("pull", manifest)

    assert result.code == 1
    assert f"the record on the volume says {digest(FILES['a/one.safetensors'])}" in result.err
    assert "Nothing was downloaded" in result.err


def test_the_pull_fails_if_the_hub_says_something_else_than_the_manifest(models):
    manifest = models.manifest(FILES)
    models.hub.file_of("a/one.safetensors").change()

    result = models("pull", manifest)

    assert result.code == 1
    assert f"the manifest says {digest(FILES['a/one.safetensors'])}" in result.err


def test_a_hub_without_tls_elsewhere_is_not_trusted(models):
    manifest = models.manifest(FILES, sha256="unknown")

    result = models("pull", manifest, HF_ENDPOINT="http://hub.example.com")

    assert result.code == 1
    assert "HF_ENDPOINT is http://hub.example.com" in result.err
    assert "https" in result.err


@pytest.mark.parametrize("output", [(), ("--json",)])
def test_a_dry_run_of_a_refused_pull_exits_with_1(models, output):
    manifest = models.manifest(FILES, sha256="unknown")

    would_pull = models("pull", manifest, "--dry-run", *output)
    would_fail = models("pull", manifest, "--dry-run", "--trust", "pinned", *output)

    assert (would_pull.code, would_fail.code) == (0, 1)
    assert "no sha256" in would_fail.out
    assert models.hub.requests == 0


def test_a_non_commercial_license_must_be_accepted(models):
    manifest = models.manifest(FILES)
    card = own_card(models, manifest)

    refused = models("pull", card)
    accepted = models("pull", card, KINOMILL_ACCEPT_LICENSES='["tiny"]')

    assert refused.code == 1
    assert "CC-BY-NC-4.0 (https://example.com/nc)" in refused.err
    assert "KINOMILL_ACCEPT_LICENSES" in refused.err
    assert accepted.code == 0


@pytest.mark.parametrize(
    ("commercial", "limit"),
    [("no", "forbids"), (False, "forbids"), ("conditional", "allows commercial use within")],
)
def test_a_license_must_be_accepted_for_a_model_without_a_card(models, commercial, limit):
    manifest = models.manifest(FILES, license="terms of X", commercial=commercial)

    result = models("pull", manifest)

    assert result.code == 1
    assert f"terms of X, which {limit}" in result.err
    assert models.hub.requests == 0


@pytest.mark.parametrize("commercial", ["yes", True])
def test_a_commercial_license_need_not_be_accepted(models, commercial):
    assert models("pull", models.manifest(FILES, commercial=commercial)).code == 0


def test_a_folder_to_adopt_from_that_is_not_there_is_named(models):
    manifest = models.manifest(FILES)

    refused = models("pull", manifest, "--adopt", "/no/such/folder")
    pulled = models("pull", manifest, KINOMILL_WEIGHTS_ADOPT="/no/such/folder")

    assert (refused.code, pulled.code) == (2, 0)
    assert "there is no folder /no/such/folder" in refused.err
    assert "KINOMILL_WEIGHTS_ADOPT: there is no folder /no/such/folder here" in pulled.err


def test_all_for_worker_pulls_its_models_in_its_profiles(models):
    manifest = models.manifest(FILES, profiles=["small"])
    big = entry("big", b"big", profiles=["big"])
    manifest.write_text(f'default_profile = "big"\n{manifest.read_text()}\n{big}')
    card = own_card(models, manifest)
    worker = {
        "KINOMILL_MODELS": json.dumps(["preview-lipsync", card]),
        "KINOMILL_WEIGHTS_PROFILES": '{"tiny": "small"}',
        "KINOMILL_ACCEPT_LICENSES": '["tiny"]',
    }

    result = models("pull", "--all-for-worker", **worker)

    assert result.code == 0
    assert "preview-lipsync needs no weights" in result.err
    assert stored(models, profile="small") == FILES


def test_a_profile_of_an_unknown_model_is_refused(models):
    result = models("pull", models.manifest(FILES), KINOMILL_WEIGHTS_PROFILES="kokor=small")

    assert result.code == 2
    assert "KINOMILL_WEIGHTS_PROFILES: there is no model 'kokor'; did you mean" in result.err
    assert models.hub.requests == 0


def test_files_found_in_a_folder_are_not_downloaded(models):
    manifest = models.manifest(FILES)
    old = models.folder / "old"
    for path, content in FILES.items():
        (old / path).parent.mkdir(parents=True, exist_ok=True)
        (old / path).write_bytes(content)

    result = models("pull", manifest, "--adopt", old)

    assert result.code == 0
    assert stored(models) == FILES
    assert models.hub.bytes == 0


def test_an_unusable_volume_is_reported(models):
    manifest = models.manifest(FILES)
    (models.folder / "file").touch()

    result = models("pull", manifest, "--volume", models.folder / "file")

    assert result.code == 1
    assert str(models.folder / "file") in result.err


def test_usage_errors_exit_with_code_2(models):
    manifest = models.manifest(FILES)

    assert models("pull").code == 2
    assert models("pull", manifest, "--all-for-worker").code == 2
    assert "has no profile" in models("pull", manifest, "--profile", "no").err
    unknown = models("pull", "nothing-like-it")
    assert unknown.code == 2
    assert "wan2.2-i2v" in unknown.err


def test_a_dry_run_lists_the_files_and_downloads_nothing(models):
    manifest = models.manifest(FILES)

    result = models("pull", manifest, "--dry-run")
    plan = models("pull", manifest, "--dry-run", "--json").json

    assert result.code == 0
    assert "300 kB  a/one.safetensors  to download" in result.out
    assert "to download 2 files, 300 kB; " in result.out
    assert f"free at {models.volume}" in result.out
    assert (plan["missing_bytes"], plan["errors"]) == (300_002, [])
    assert plan["free_bytes"] > 0
    assert models.hub.requests == 0
    assert not (models.volume / "models").exists()


def test_a_dry_run_counts_only_what_is_missing(models):
    manifest = models.manifest(FILES)
    models("pull", manifest)

    plan = models("pull", manifest, "--dry-run", "--json").json

    assert (plan["missing_bytes"], plan["models"][0]["bytes"]) == (0, 300_002)
    assert all(file["present"] for file in plan["models"][0]["files"])


def test_a_dry_run_says_why_the_pull_would_fail(models):
    manifest = models.manifest(FILES)
    card = own_card(models, manifest)

    plan = models("pull", card, "--dry-run", "--json").json

    assert "KINOMILL_ACCEPT_LICENSES" in plan["errors"][0]
