"""A database that ends connections under its clients, as managed ones and failovers do."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
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


def end_connections(engine):
    """End all connections of the programs; returns how many there were."""
    with engine.begin() as connection:
        return connection.scalar(END_ALL)


@contextmanager
def failovers(engine):
    """End all connections of the programs again and again; yields how many were ended each time."""
    ended, stopping = [], threading.Event()

    def run():
        while not stopping.wait(PERIOD_SECONDS):
            ended.append(end_connections(engine))

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
    """All connections end once while a submission is on its way, and are dead for the reads."""
    client, engine, ended, answers = serve(), cluster.servers.engine, [], []

    def post(number):
        key = {"Idempotency-Key": f"failover-{number}"}
        return client.post("/v1/jobs", json={"model": "faulty", "input": {}}, headers=key)

    with ThreadPoolExecutor(1) as caller:
        for number in range(0, JOBS, 2):
            answers.append(post(number))
            posting = caller.submit(post, number + 1)
            ended.append(end_connections(engine))
            answers += [posting.result(), client.get("/v1/jobs")]
            ended.append(end_connections(engine))
            answers.append(client.get(f"/v1/jobs/{answers[-2].json().get('id')}"))
            answers.append(client.get("/v1/jobs"))

    wrong = [answer.text for answer in answers if answer.status_code not in {200, 202}]
    assert wrong == []
    assert sum(ended) > JOBS
    with cluster.sessions() as session:
        assert session.scalar(text("SELECT count(*) FROM jobs")) == JOBS
