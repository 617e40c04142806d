"""How many connections to PostgreSQL a process of the API opens under load, and keeps."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx
from sqlalchemy import text

from runtime.postgres.connections import Installation
from tests.api.build import job_body
from tests.api.program import program
from tests.waiting import until

CALLERS, REQUESTS = 24, 120
ONE = Installation(api=1, maintenance=0, workers=0)
COMMAND = Installation(api=0, maintenance=0, workers=0)
COUNT = text("SELECT count(*) FROM pg_stat_activity WHERE application_name = :name")


def test_they_stay_within_what_the_formula_says(make_settings, tmp_path, sessions, engine):
    paths = ["/v1/jobs", "/v1/queues", "/v1/models", "/v1/workers", "/v1/files"]
    with (
        program(make_settings(), tmp_path) as (process, port, _),
        httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as client,
        ThreadPoolExecutor(CALLERS) as callers,
    ):

        def count():
            with engine.connect() as connection:
                return connection.scalar(COUNT, {"name": f"kinomill api {process.pid}"})

        def call(number):
            if number % 2:
                return client.post("/v1/jobs", json=job_body()).status_code
            return client.get(paths[number // 2 % len(paths)]).status_code

        calling, counts = [callers.submit(call, number) for number in range(REQUESTS)], []
        while not all(one.done() for one in calling):
            counts.append(count())

        assert {one.result() for one in calling} == {200, 202}
        assert 6 <= max(counts) <= ONE.busy - COMMAND.busy
        until(lambda: count() <= ONE.idle, what="the connections beyond those kept to be closed")
