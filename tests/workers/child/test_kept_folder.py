"""The folder of a job outlives a lost attempt, and no other end."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine
from structlog.testing import capture_logs

from jobs.states import Outcome
from models.resuming import KEPT
from tests.api.serving import closed_port
from tests.jobs import build
from tests.workers import script
from tests.workers.job_helpers import submit
from workers.child.kept_folder import KeptFolders
from workers.child.run_job import run_job


@pytest.fixture
def kept(monkeypatch):
    """What the runner found in the folder of its job; it leaves a file there."""
    found = []
    generate = script.Runner.generate

    def with_part(self, params, inputs, out, report):
        folder = (out.parent / KEPT).readlink()
        found.append(sorted(path.name for path in folder.glob("*")))
        folder.mkdir(exist_ok=True)
        (folder / "part").touch()
        return generate(self, params, inputs, out, report)

    monkeypatch.setattr(script.Runner, "generate", with_part)
    return found


def folders(context):
    return [path.name for path in context.settings.scratch.iterdir()]


def test_it_is_deleted_with_the_end_of_its_job(context, sessions, kept):
    submit(sessions)

    assert run_job("script", context) == Outcome.SUCCEEDED
    assert kept == [[]]
    assert folders(context) == []


def test_the_next_attempt_finds_what_a_drained_one_left(context, sessions, kept):
    job_id = submit(sessions)
    folder = context.kept_folders._of(job_id)
    folder.mkdir()
    (folder / "of-a-killed-worker").touch()

    assert run_job("script", context) == Outcome.SUCCEEDED
    assert kept == [["of-a-killed-worker"]]
    assert folders(context) == []


def test_a_database_that_is_away_ends_no_attempt(context, sessions):
    kept = context.kept_folders
    kept._of(submit(sessions)).mkdir()

    with capture_logs() as logs:
        kept.sweep_once_a_minute(create_engine(f"postgresql+psycopg://127.0.0.1:{closed_port()}/x"))

    assert [line["event"] for line in logs] == ["could not delete the folders of ended jobs"]


def test_the_sweep_deletes_folders_of_jobs_that_ended_elsewhere(context, sessions):
    ended, waiting = submit(sessions), submit(sessions)
    build.cancel(sessions, ended)
    kept, root = context.kept_folders, context.settings.scratch
    for job_id in (ended, waiting):
        kept._of(job_id).mkdir()
    other = KeptFolders(root, "postgresql://another/database")
    other._of(ended).mkdir()

    assert kept.sweep(context.engine) == [ended]
    assert sorted(path.name for path in root.iterdir()) == sorted(
        [kept._of(waiting).name, other._of(ended).name]
    )
