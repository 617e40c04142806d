"""Health as a load balancer asks for it."""

from __future__ import annotations

import time


def test_a_process_that_answers_is_alive(start, dead_database, dead_broker):
    client = start(database_url=dead_database, redis_url=dead_broker)

    response = client.get("/livez")

    assert response.status_code == 200
    assert response.json() == {"status": "ok"}


def test_with_both_servers_it_is_ready(client):
    response = client.get("/readyz")

    assert response.status_code == 200
    assert response.json() == {"status": "ok", "database": "ok", "broker": "ok"}


def test_without_a_broker_it_is_degraded_and_still_ready(start, dead_broker):
    client = start(redis_url=dead_broker)

    began = time.monotonic()
    response = client.get("/readyz")

    assert response.status_code == 200
    assert response.json() == {"status": "degraded", "database": "ok", "broker": "unavailable"}
    assert time.monotonic() - began < 2


def test_a_broker_that_takes_no_more_is_noticed(client, redis):
    redis.config_set("maxmemory", 1)
    try:
        full = client.get("/readyz")
    finally:
        redis.config_set("maxmemory", 0)

    assert full.status_code == 200
    assert full.json()["status"] == "degraded"
    assert client.get("/readyz").json()["status"] == "ok"


def test_without_a_database_it_is_unavailable(start, dead_database):
    response = start(database_url=dead_database).get("/readyz")

    assert response.status_code == 503
    assert response.json()["status"] == "unavailable"
    assert response.json()["broker"] == "ok"
