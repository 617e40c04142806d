"""Health checks of a load balancer."""

from __future__ import annotations

import time


def test_livez_needs_neither_database_nor_broker(start, unreachable_database, unreachable_broker):
    client = start(database_url=unreachable_database, redis_url=unreachable_broker)

    response = client.get("/livez")

    assert response.status_code == 200
    assert response.json() == {"status": "ok"}


def test_readyz_is_ok_with_database_and_broker(client):
    response = client.get("/readyz")

    assert response.status_code == 200
    assert response.json() == {"status": "ok", "database": "ok", "broker": "ok"}


def test_readyz_is_degraded_and_200_without_a_broker(start, unreachable_broker):
    client = start(redis_url=unreachable_broker)

    began = time.monotonic()
    response = client.get("/readyz")

    assert response.status_code == 200
    assert response.json() == {"status": "degraded", "database": "ok", "broker": "unavailable"}
    assert time.monotonic() - began < 2


def test_readyz_is_degraded_when_the_broker_is_full(client, redis):
    redis.config_set("maxmemory", 1)
    try:
        full = client.get("/readyz")
    finally:
        redis.config_set("maxmemory", 0)

    assert full.status_code == 200
    assert full.json()["status"] == "degraded"
    assert client.get("/readyz").json()["status"] == "ok"


def test_readyz_is_a_503_without_a_database(start, unreachable_database):
    response = start(database_url=unreachable_database).get("/readyz")

    assert response.status_code == 503
    assert response.json()["status"] == "unavailable"
    assert response.json()["broker"] == "ok"
