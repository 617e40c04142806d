"""A database that ends connections under its clients, as managed ones and failovers do."""

from __future__ import annotations

import threading
from contextlib import contextmanager

from sqlalchemy import text

from jobs.states import Event, Outcome, State
from tests.waiting import until

END_ALL = text(
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
    "WHERE application_name LIKE 'kinomill %' AND pid <> pg_backend_pid()"
)
"""Those of programs; the connections of the tests have no program in their name."""
JOBS = 40
PERIOD_SECONDS = 0.2


@contextmanager
def failovers(engine):
    """End all connections of the programs again and again; yields how many were ended each time."""
    ended, stopping = [], threading.Event()

    def run():
        while not stopping.wait(PERIOD_SECONDS):
            with engine.begin() as connection:
                ended.append(connection.scalar(END_ALL))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield ended
    finally:
        stopping.set()
        thread.join()


def test_claims_and_ends_lose_nothing_while_connections_end(cluster):
    workers = [cluster.start_worker(), cluster.start_worker("other")]
    jobs = [cluster.submit() for _ in range(JOBS)]

    with failovers(cluster.servers.engine) as ended:
        states = {cluster.ended(job_id).state for job_id in jobs}
    until(lambda: not cluster.pending_messages(), what="the messages to be taken")

    assert states == {State.SUCCEEDED}
    assert sum(ended) > 0
    assert {tuple(cluster.outcomes(job_id)) for job_id in jobs} == {(Outcome.SUCCEEDED,)}
    assert {cluster.events(job_id).count(Event.PUBLISHED) for job_id in jobs} == {1}
    assert all(worker.running for worker in workers)


def test_callers_see_no_error_and_no_second_job(cluster, serve):
    client = serve()
    keys = [f"failover-{number}" for number in range(JOBS)]

    with failovers(cluster.servers.engine) as ended:
        answers = []
        for key in keys:
            body = {"model": "faulty", "input": {}}
            headers = {"Idempotency-Key": key}
            answers.append(client.post("/v1/jobs", json=body, headers=headers))
            answers.append(client.get(f"/v1/jobs/{answers[-1].json().get('id')}"))
            answers.append(client.get("/v1/jobs"))
        until(lambda: len(ended) > 3, what="some failovers")

    assert {answer.status_code for answer in answers} == {200, 202}, [
        answer.text for answer in answers if answer.status_code > 202
    ]
    assert sum(ended) > 0
    with cluster.sessions() as session:
        assert session.scalar(text("SELECT count(*) FROM jobs")) == JOBS
