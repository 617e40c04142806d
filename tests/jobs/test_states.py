"""States of a job: the database allows only the moves in the table."""

from __future__ import annotations

from itertools import product
from uuid import uuid4

import pytest
from sqlalchemy import func, update
from sqlalchemy.exc import IntegrityError

from jobs.states import MOVES, Phase, State
from jobs.tables import Job
from models.spec import Stage
from tests.jobs import build

FINAL = [State.SUCCEEDED, State.FAILED, State.CANCELED]


def in_state(sessions, state):
    job_id = build.submitted(sessions)
    if state not in (State.QUEUED, State.CANCELED):
        force(sessions, job_id, State.RUNNING)
    if state not in (State.QUEUED, State.RUNNING):
        force(sessions, job_id, state)
    return job_id


def force(sessions, job_id, state, **values):
    """Set the state of a job, with only the columns that the state requires."""
    values = {
        "lease_token": uuid4() if state == State.RUNNING else None,
        "ended_at": func.now() if state in FINAL else None,
    } | values
    with sessions.begin() as session:
        session.execute(update(Job).where(Job.id == job_id).values(state=state, **values))


@pytest.mark.parametrize(("before", "after"), list(product(State, State)))
def test_the_database_allows_only_the_moves_in_the_table(sessions, before, after):
    job_id = in_state(sessions, before)

    if after in MOVES[before] | {before}:
        force(sessions, job_id, after)
    else:
        with pytest.raises(IntegrityError, match=f"is {before}: it cannot become {after}"):
            force(sessions, job_id, after)


def test_no_move_leaves_a_final_state():
    assert [state for state in State if state.final] == FINAL


@pytest.mark.parametrize(
    ("state", "values", "broken"),
    [
        (State.RUNNING, {"lease_token": None}, "ck_jobs_lease"),
        (State.QUEUED, {"lease_token": uuid4()}, "ck_jobs_lease"),
        (State.CANCELED, {"ended_at": None}, "ck_jobs_ended"),
        (State.QUEUED, {"ended_at": func.now()}, "ck_jobs_ended"),
    ],
)
def test_a_state_and_its_columns_belong_together(sessions, state, values, broken):
    job_id = build.submitted(sessions)

    with pytest.raises(IntegrityError, match=broken):
        force(sessions, job_id, state, **values)


def test_there_is_no_sixth_state(sessions):
    job_id = build.submitted(sessions)

    with pytest.raises(IntegrityError):
        force(sessions, job_id, "paused")


def test_every_stage_of_a_runner_is_a_phase_of_the_job():
    assert {Phase(stage) for stage in Stage} < set(Phase)
