"""`kinomill batches` and `deliveries`, from a terminal."""

from __future__ import annotations

import json
import signal
import subprocess
import zipfile

import pytest

from jobs.states import State
from tests.api.batches.build import fail, feed
from tests.api.build import MODEL, URLS, job_body
from tests.api.build import wav as recording
from tests.jobs import build
from tests.kinomill.cli.command import command_line, environment, kinomill
from tests.kinomill.cli.test_main import waits
from tests.waiting import until


@pytest.fixture
def run(server, sessions):
    """Run a command before the real API; returns what it printed."""

    def run(*words, code=0):
        shown = kinomill(*map(str, words), KINOMILL_URL=server)
        assert shown.returncode == code, shown.stderr
        return shown.stdout if code == 0 else shown.stderr

    return run


@pytest.fixture
def rows(tmp_path):
    (tmp_path / "voice.wav").write_bytes(recording())
    path = tmp_path / "rows.csv"
    path.write_text(
        f"image,audio,who\n{URLS['image']},@voice.wav,ann\n{URLS['image']},@voice.wav,\n"
    )
    return path


def test_a_file_is_submitted_once_shown_retried_and_canceled(run, rows, sessions, tmp_path):
    submit = ("batches", "submit", rows, "--model", MODEL, "--label", "who", "--no-wait")
    batch = run(*submit).strip()
    assert run(*submit).strip() == batch
    feed(sessions)
    assert build.count(sessions, State.QUEUED) == 2
    fail(sessions)

    assert "1 queued, 1 failed" in run("batches", "show", batch)
    assert "failed with fetch_failed: 1" in run("batches", "show", batch)
    assert "1 waiting" in run("batches", "retry", batch)
    assert json.loads(run("batches", "cancel", batch, "--json"))["counts"]["canceled"] == 2
    assert "2 canceled" in run("batches", "show", batch)
    assert f"{batch}  " in run("batches", "list")
    saved = tmp_path / "all.zip"
    run("batches", "download", batch, "--out", saved)
    with zipfile.ZipFile(saved) as archive:
        assert archive.namelist() == ["results.jsonl"]


def test_an_archive_that_cannot_be_written_is_named_before_it_is_sent(run, rows):
    batch = run("batches", "submit", rows, "--model", MODEL, "--label", "who", "--no-wait").strip()

    said = run("batches", "download", batch, "--out", "/proc/x/all.zip", code=1)

    assert "--out /proc/x/all.zip: no file can be written in /proc/x" in said


def test_ctrl_c_leaves_the_batch_and_says_so(run, rows, server):
    batch = run("batches", "submit", rows, "--model", MODEL, "--label", "who", "--no-wait").strip()
    process = subprocess.Popen(
        command_line("batches", "wait", batch), env=environment(KINOMILL_URL=server),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    until(lambda: waits(process.pid), what="the command to wait for its answer")
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)

    assert process.returncode == 130
    assert f"The batch goes on. Wait for it with: kinomill batches wait {batch}" in said
    assert "2 waiting" in run("batches", "show", batch)


def test_wrong_rows_are_told_and_nothing_is_submitted(run, rows, sessions):
    rows.write_text(f"image,audio,fps\n{URLS['image']},@none.wav,\n{URLS['image']},@voice.wav,0\n")

    told = run("batches", "submit", rows, "--model", MODEL, code=1)

    assert "row 2: " in told
    assert "row 3: " in told
    assert "2 rows are wrong; nothing was submitted" in told
    assert run("batches", "list") == ""


def test_wrong_arguments(run):
    assert "BATCH is missing" in run("batches", "show", code=2)
    assert "--model is missing" in run("batches", "submit", "rows.csv", code=2)
    assert "no file" in run("batches", "submit", "none.csv", "--model", MODEL, code=2)
    assert "--url" in run("deliveries", "redeliver", code=2)


def test_deliveries_are_listed_and_sent_again(run, server, sessions):
    import httpx

    body = job_body() | {"webhook": {"url": "https://example.com/hook"}}
    job_id = httpx.post(f"{server}/v1/jobs", json=body, trust_env=False).json()["id"]
    httpx.post(f"{server}/v1/jobs/{job_id}/cancel", trust_env=False)

    [delivery] = json.loads(run("deliveries", "list", "--json"))
    assert "pending    job.canceled" in run("deliveries", "list", "--job", job_id)
    assert delivery["id"] in run("deliveries", "redeliver", delivery["id"])
    assert "0 are sent again" in run("deliveries", "redeliver", "--url", "https://example.com/hook")
