"""The operator's commands, from a terminal."""

from __future__ import annotations

import csv
import io
import json

import pytest

from jobs.fleet import worker_registry
from jobs.states import State
from tests.api.build import MODEL
from tests.jobs import build
from tests.jobs.control.test_purge_and_requeue import failed
from tests.kinomill.cli.command import kinomill
from tests.waiting import until


@pytest.fixture
def run(server, sessions):
    """Run a command before the real API; returns what it printed."""

    def run(*words, code=0):
        shown = kinomill(*words, KINOMILL_URL=server)
        assert shown.returncode == code, shown.stderr
        return shown.stdout if code == 0 else shown.stderr

    return run


def test_a_queue_is_paused_listed_and_resumed(run):
    assert run("queues", "pause", MODEL, "--reason", "new weights") == (
        f"model: {MODEL}  paused: yes\n"
    )
    until(lambda: "paused: new weights\n" in run("queues"), what="the pause in the list")
    assert json.loads(run("queues", "resume", MODEL, "--json"))["paused"] is False
    assert "needs MODEL" in run("queues", "pause", code=2)


def test_a_purge_needs_a_yes(run, sessions):
    build.submitted(sessions)

    assert "--yes" in run("queues", "purge", MODEL, code=2)
    assert build.count(sessions, State.QUEUED) == 1
    assert "canceled: 1" in run("queues", "purge", MODEL, "--yes")


def test_failed_jobs_are_run_again(run, sessions):
    failed(sessions)

    assert "--since" in run("queues", "requeue", MODEL, code=2)
    assert "created: 0 jobs" in run("queues", "requeue", MODEL, "--since", "1h", "--code", "x")
    assert "created: 1 job\n" in run("queues", "requeue", MODEL, "--since", "1h")


def test_a_worker_is_drained(run, sessions):
    with sessions.begin() as session:
        worker_registry.register(session, "kinomill@a", models=[MODEL], pid=1)

    assert run("workers", "drain", "kinomill@a") == "name: kinomill@a  drained: yes\n"
    assert run("workers").split()[:2] == ["kinomill@a", "drained"]
    assert "No worker has this name" in run("workers", "resume", "b", code=1)


def test_submissions_are_refused_for_a_while(run):
    assert run("maintenance-mode", "on", "--reason", "disks") == "submissions are refused: disks\n"
    assert json.loads(run("maintenance-mode", "--json"))["active"]
    assert run("maintenance-mode", "off") == "submissions are accepted\n"


def test_quotas_usage_and_audit(run, sessions):
    run("limits", "set", "local", "--jobs-per-day", "5")
    build.submitted(sessions)

    assert json.loads(run("limits", "show", "local", "--json"))["jobs_per_day"] == 5
    assert "local" in run("limits")
    [row] = csv.DictReader(io.StringIO(run("usage", "--csv")))
    assert (row["account"], row["submitted"]) == ("local", "1")
    assert json.loads(run("usage", "--json"))[0]["model"] == MODEL
    assert "limits.set  local  jobs_per_day=5" in run("audit")
    assert json.loads(run("audit", "--json", "--act", "limits.set"))[0]["actor"] == "local"
    run("limits", "remove", "local")
    assert "is not a day" in run("usage", "--since", "x", code=2)


def test_an_account_is_erased_after_a_yes(run, sessions):
    build.submitted(sessions, account="gone")
    build.submitted(sessions)

    assert "add --yes" in run("accounts", "erase", "gone", code=2)
    assert "jobs: 1" in run("accounts", "erase", "gone", "--yes")
    assert json.loads(run("accounts", "erase", "gone", "--yes", "--json"))["jobs"] == 0
    assert build.count(sessions, State.QUEUED) == 1
