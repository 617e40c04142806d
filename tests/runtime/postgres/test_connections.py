"""The number of connections that an installation needs."""

from __future__ import annotations

import pytest

from api.context.calls import DATABASE_THREADS
from runtime.postgres.connections import API_CALLS, Installation


@pytest.mark.parametrize(
    ("running", "idle", "busy"),
    [
        (Installation(), 11 + 4 + 2, 16 + 8 + 3 + 2),
        (Installation(api=2, maintenance=1, workers=200), 22 + 4 + 400, 32 + 8 + 600 + 2),
        (Installation(api=0, maintenance=0, workers=0), 0, 2),
    ],
)
def test_it_is_the_sum_of_the_programs(running, idle, busy):
    assert (running.idle, running.busy) == (idle, busy)


def test_postgresql_s_usual_hundred_connections_serve_twenty_workers():
    assert Installation(api=1, maintenance=1).workers_within(97) == 23


def test_a_full_server_has_room_for_no_worker():
    assert Installation(api=10).workers_within(97) == 0


def test_each_thread_of_the_api_finds_a_connection():
    assert API_CALLS.most == DATABASE_THREADS
