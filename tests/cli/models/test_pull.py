"""Weights onto a volume, as one types it."""

from __future__ import annotations

import json
import os
import pty
import signal
from contextlib import suppress
from uuid import uuid4

from tests.cli.models.conftest import REPO, ended, entry
from tests.waiting import until

FILES = {"a/one.safetensors": os.urandom(300_000), "two.json": b"{}"}
CARD = """
from datetime import timedelta
from pathlib import Path
from models.spec import Card, Input, License

CARD = Card(
    name="tiny", task="lip-sync", summary="A test.", input=Input, runner="x:y", queue="tiny",
    license=License("CC-BY-NC-4.0", commercial=False, url="https://example.com/nc"),
    hardware="CPU", time_limit=timedelta(minutes=1), weights=Path("{manifest}"),
)
"""


def held(models, name="tiny", profile="default"):
    folder = models.volume / "models" / name / profile
    return {path: (folder / path).read_bytes() for path in FILES}


def own_card(models, manifest):
    """Write a card as an operator would, and say where it is."""
    module = f"own_{uuid4().hex}"
    (models.folder / f"{module}.py").write_text(CARD.replace("{manifest}", str(manifest)))
    return f"{module}:CARD"


def test_files_come_verified_under_their_own_names(models):
    manifest = models.manifest(FILES)

    shown = models("pull", manifest, "--json")

    assert (shown.code, shown.json["ok"]) == (0, True)
    assert held(models) == FILES
    (told,) = shown.json["models"]
    assert (told["name"], told["profile"]) == ("tiny", "default")
    assert told["fetched_bytes"] == 300_002
    assert models.hub.bytes == 300_002


def test_what_is_there_is_not_asked_for_again(models):
    manifest = models.manifest(FILES)
    models("pull", manifest)
    asked = models.hub.requests

    shown = models("pull", manifest)

    assert shown.code == 0
    assert "nothing to fetch" in shown.out
    assert models.hub.requests == asked


def test_ctrl_c_keeps_what_has_come_and_says_so(models):
    big = os.urandom(40_000_000)
    manifest = models.manifest({"big": big})
    gate = models.hub.hold("big", 0.5)
    pull = models.start("pull", manifest, KINOMILL_WEIGHTS_CONNECTIONS="1")
    until(lambda: models.hub.bytes >= len(big) // 2, what="half of the file")

    pull.send_signal(signal.SIGINT)
    stopped = ended(pull)
    gate.set()
    before = models.hub.bytes
    again = models("pull", manifest)

    assert stopped.code == 130
    assert "the next pull goes on from it" in stopped.err
    assert again.code == 0
    assert models.hub.bytes - before < 0.75 * len(big)


def test_without_a_terminal_a_line_says_how_far_it_is(models):
    manifest = models.manifest({"big": os.urandom(2_000_000)})
    models.hub.bytes_per_second = 1_000_000

    shown = models("pull", manifest, KINOMILL_WEIGHTS_CONNECTIONS="1")

    assert "of 2.00 MB" in shown.err
    assert "\r" not in shown.err
    assert "2.00 MB fetched in" in shown.out


def test_on_a_terminal_bars_show_each_file_and_all(models):
    manifest = models.manifest({"one": os.urandom(2_000_000), "two": os.urandom(2_000_000)})
    models.hub.bytes_per_second = 1_000_000
    reader, writer = pty.openpty()
    pull = models.start("pull", manifest, err=writer, TERM="xterm", COLUMNS="120")
    os.close(writer)

    drawn = terminal(reader)

    assert pull.wait(60) == 0
    pull.stdout.close()
    for words in ("one", "tiny (default)", "of 4.00 MB", "MB/s", "0:00:0"):
        assert words in drawn


def terminal(reader):
    """All that was written to the other side, until it was closed."""
    drawn = b""
    with suppress(OSError):  # how Linux says that nobody writes any more
        while piece := os.read(reader, 65536):
            drawn += piece
    os.close(reader)
    return drawn.decode()


def test_one_that_cannot_be_had_does_not_keep_the_others_away(models):
    gated = models.folder / "gated.toml"
    text = models.manifest(FILES, model="gated").read_text()
    models.hub.add("owner/gated", FILES, gated=True)
    gated.write_text(text.replace(REPO, "owner/gated"))

    shown = models("pull", gated, models.manifest(FILES))

    assert shown.code == 1
    assert "owner/gated is gated" in shown.err
    assert "HF_TOKEN" in shown.err
    assert held(models) == FILES


def test_open_facts_are_refused_until_one_says_otherwise(models):
    manifest = models.manifest(FILES, sha256="unknown")

    refused = models("pull", manifest)
    taken = models("pull", manifest, "--no-strict")

    assert refused.code == 1
    assert "kinomill models lock" in refused.err
    assert taken.code == 0
    assert held(models) == FILES


def test_terms_that_forbid_commercial_use_must_be_accepted(models):
    manifest = models.manifest(FILES)
    card = own_card(models, manifest)

    refused = models("pull", card)
    accepted = models("pull", card, KINOMILL_ACCEPT_LICENSES='["tiny"]')

    assert refused.code == 1
    assert "CC-BY-NC-4.0 (https://example.com/nc)" in refused.err
    assert "KINOMILL_ACCEPT_LICENSES" in refused.err
    assert accepted.code == 0


def test_terms_count_before_there_is_a_card(models):
    manifest = models.manifest(FILES, license="non-commercial (X)", commercial=False)

    shown = models("pull", manifest)

    assert shown.code == 1
    assert "non-commercial (X)" in shown.err
    assert models.hub.requests == 0


def test_all_for_the_worker_takes_its_models_in_its_profiles(models):
    manifest = models.manifest(FILES, profiles=["small"])
    big = entry("big", b"big", profiles=["big"])
    manifest.write_text(f'default_profile = "big"\n{manifest.read_text()}\n{big}')
    card = own_card(models, manifest)
    worker = {
        "KINOMILL_MODELS": json.dumps(["preview-lipsync", card]),
        "KINOMILL_WEIGHTS_PROFILES": '{"tiny": "small"}',
        "KINOMILL_ACCEPT_LICENSES": '["tiny"]',
    }

    shown = models("pull", "--all-for-worker", **worker)

    assert shown.code == 0
    assert "preview-lipsync needs no weights" in shown.err
    assert held(models, profile="small") == FILES


def test_a_folder_that_has_the_files_spares_the_download(models):
    manifest = models.manifest(FILES)
    old = models.folder / "old"
    for path, content in FILES.items():
        (old / path).parent.mkdir(parents=True, exist_ok=True)
        (old / path).write_bytes(content)

    shown = models("pull", manifest, "--adopt", old)

    assert shown.code == 0
    assert held(models) == FILES
    assert models.hub.bytes == 0


def test_a_volume_that_cannot_be_used_is_a_sentence(models):
    manifest = models.manifest(FILES)
    (models.folder / "file").touch()

    shown = models("pull", manifest, "--volume", models.folder / "file")

    assert shown.code == 1
    assert str(models.folder / "file") in shown.err


def test_usage_is_told_from_failure(models):
    manifest = models.manifest(FILES)

    assert models("pull").code == 2
    assert models("pull", manifest, "--all-for-worker").code == 2
    assert "has no profile" in models("pull", manifest, "--profile", "no").err
    unknown = models("pull", "nothing-like-it")
    assert unknown.code == 2
    assert "wan2.2-i2v" in unknown.err


def test_a_dry_run_tells_what_would_come_and_fetches_nothing(models):
    manifest = models.manifest(FILES)

    shown = models("pull", manifest, "--dry-run")
    told = models("pull", manifest, "--dry-run", "--json").json

    assert shown.code == 0
    assert "300 kB  a/one.safetensors  to fetch" in shown.out
    assert "to fetch 2 files, 300 kB; " in shown.out
    assert f"free at {models.volume}" in shown.out
    assert (told["missing_bytes"], told["objections"]) == (300_002, [])
    assert told["free_bytes"] > 0
    assert models.hub.requests == 0
    assert not (models.volume / "models").exists()


def test_a_dry_run_counts_only_what_is_missing(models):
    manifest = models.manifest(FILES)
    models("pull", manifest)

    told = models("pull", manifest, "--dry-run", "--json").json

    assert (told["missing_bytes"], told["models"][0]["bytes"]) == (0, 300_002)
    assert all(file["here"] for file in told["models"][0]["files"])


def test_a_dry_run_says_why_the_pull_would_be_refused(models):
    manifest = models.manifest(FILES)
    place = own_card(models, manifest)

    told = models("pull", place, "--dry-run", "--json").json

    assert "KINOMILL_ACCEPT_LICENSES" in told["objections"][0]
