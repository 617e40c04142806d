"""Jobs from a terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from cli.app import all_commands
from jobs.tables import Job
from kinomill import InvalidInput
from kinomill.cli.jobs import short_path
from tests.api.build import MODEL, URLS
from tests.jobs.build import claimed, submitted

FIELDS = [f"{name}={url}" for name, url in URLS.items()]


@pytest.fixture
def run(server):
    """Run a command before the real API."""
    variables = {"KINOMILL_URL": server, "COLUMNS": "200"}
    return lambda *words: CliRunner().invoke(all_commands(), words, env=variables)


def test_a_webhook_is_part_of_a_submission(run, sessions):
    url = "https://example.com/job-ended"

    shown = run("submit", MODEL, *FIELDS, "--no-wait", "--webhook", url)

    assert shown.exit_code == 0, shown.output
    with sessions() as session:
        [job] = session.scalars(select(Job))
    assert (job.id, job.webhook_url) == (shown.stdout.strip(), url)
    assert json.loads(run("status", job.id).stdout)["webhook"] == {"url": url}


def test_a_private_webhook_address_is_refused(run, sessions):
    shown = run("submit", MODEL, *FIELDS, "--no-wait", "--webhook", "http://10.0.0.1/")

    assert isinstance(shown.exception, InvalidInput)
    assert "webhook" in str(shown.exception)


def test_inputs_are_parsed_by_the_schema_of_the_model(run, sessions):
    shown = run("submit", MODEL, *FIELDS, "fps=30", "loop=hold", "--no-wait")

    assert shown.exit_code == 0, shown.output
    with sessions() as session:
        [job] = session.scalars(select(Job))
    assert (job.input["fps"], job.input["loop"]) == (30, "hold")


@pytest.mark.parametrize(
    ("field", "message"), [("fps", "'fps' is not FIELD=VALUE"), ("image=@no.png", "image: no file")]
)
def test_a_field_that_cannot_be_read_is_named(run, field, message):
    shown = run("submit", MODEL, field)

    assert shown.exit_code == 2
    assert message in shown.stderr


def test_a_queued_job_is_canceled_and_deleted(run, sessions):
    job_id = submitted(sessions)

    assert run("cancel", job_id).stdout == "canceled\n"
    assert run("delete", job_id).stdout == "deleted\n"
    with sessions() as session:
        assert session.get(Job, job_id) is None


def test_a_running_job_is_asked_to_stop(run, sessions):
    job_id = submitted(sessions)
    claimed(sessions, job_id)

    assert run("cancel", job_id).stdout == "cancel requested\n"


def test_an_idempotency_key_gives_one_job(run, sessions):
    words = ("submit", MODEL, *FIELDS, "--no-wait", "--idempotency-key", "one")

    assert run(*words).stdout == run(*words).stdout


def test_a_path_in_the_current_folder_is_shown_relative_to_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert short_path(tmp_path / "out" / "a.mp4") == "out/a.mp4"
    assert short_path(tmp_path.parent / "a.mp4") == str(tmp_path.parent / "a.mp4")
    assert short_path(Path("out/a.mp4")) == "out/a.mp4"
