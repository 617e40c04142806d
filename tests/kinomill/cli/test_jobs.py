"""Submitting from a terminal."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from cli.app import all_commands
from jobs.tables import Job
from kinomill.errors import ApiError
from tests.api.build import MODEL, URLS

FIELDS = [f"{name}={url}" for name, url in URLS.items()]


@pytest.fixture
def run(server):
    """Run a command before the real API."""
    variables = {"KINOMILL_URL": server, "COLUMNS": "200"}
    return lambda *words: CliRunner().invoke(all_commands(), words, env=variables)


def test_a_webhook_goes_with_a_submission(run, sessions):
    url = "https://example.com/told"

    shown = run("submit", MODEL, *FIELDS, "--no-wait", "--webhook", url)

    assert shown.exit_code == 0, shown.output
    with sessions() as session:
        [job] = session.scalars(select(Job))
    assert (job.id, job.webhook_url) == (shown.stdout.strip(), url)
    assert json.loads(run("status", job.id).stdout)["webhook"] == {"url": url}


def test_a_webhook_that_may_not_be_called_is_refused_in_a_sentence(run, sessions):
    shown = run("submit", MODEL, *FIELDS, "--no-wait", "--webhook", "http://10.0.0.1/")

    assert isinstance(shown.exception, ApiError)
    assert "webhook" in str(shown.exception)
