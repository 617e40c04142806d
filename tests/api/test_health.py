"""Health checks of a load balancer."""

from __future__ import annotations

import socket
import time
from datetime import timedelta

import pytest
from sqlalchemy import delete, func, text, update
from sqlalchemy.engine import make_url

from jobs import maintenance_beats
from jobs.tables import MaintenanceBeat
from migrations.revisions import newest_revision
from migrations.upgrade import upgrade
from tests.migrations.test_migrations import fresh_url as fresh_url
from tests.migrations.test_migrations import statement

OK = {
    "status": "ok",
    "database": "ok",
    "broker": "ok",
    "migrations": "ok",
    "maintenance": "ok",
    "scratch": "ok",
    "detail": None,
}


@pytest.fixture(autouse=True)
def beat(sessions):
    """A maintenance program that works."""
    with sessions.begin() as session:
        session.execute(delete(MaintenanceBeat))
        maintenance_beats.beat(session, "test")


def test_livez_needs_neither_database_nor_broker(start, unreachable_database, unreachable_broker):
    client = start(database_url=unreachable_database, redis_url=unreachable_broker)

    response = client.get("/livez")

    assert response.status_code == 200
    assert response.json() == {"status": "ok"}


@pytest.mark.parametrize(
    ("alias", "path"), [("/health", "/livez"), ("/startup", "/readyz"), ("/startupz", "/readyz")]
)
def test_the_names_of_other_services_work_as_well(client, alias, path):
    one, other = client.get(alias), client.get(path)

    assert (one.status_code, one.json()["status"]) == (200, "ok")
    assert other.json()["status"] == "ok"


def test_startup_is_unavailable_without_a_database(start, unreachable_database):
    client = start(database_url=unreachable_database)

    assert client.get("/startup").status_code == 503
    assert client.get("/health").status_code == 200


def test_readyz_is_ok_with_database_and_broker(client):
    response = client.get("/readyz")

    assert response.status_code == 200
    assert response.json() == OK


def test_readyz_is_degraded_and_200_without_a_broker(start, unreachable_broker):
    client = start(redis_url=unreachable_broker)

    response = client.get("/readyz")

    assert response.status_code == 200
    assert response.json() == OK | {"status": "degraded", "broker": "unavailable"}


@pytest.mark.parametrize(
    ("setting", "url", "status"),
    [
        ("redis_url", "redis://127.0.0.1:{port}/0", 200),
        ("database_url", "postgresql+psycopg://nobody@127.0.0.1:{port}/kinomill", 503),
    ],
)
def test_readyz_answers_before_a_probe_gives_up_on_a_server_that_hangs(start, setting, url, status):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = start(**{setting: url.format(port=silent.getsockname()[1])})
        began = time.monotonic()
        response = client.get("/readyz")

    assert response.status_code == status
    assert time.monotonic() - began < 4


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


def test_readyz_is_degraded_while_maintenance_is_silent(client, sessions):
    with sessions.begin() as session:
        silent = func.now() - timedelta(seconds=90)
        session.execute(update(MaintenanceBeat).values(seen_at=silent))

    response = client.get("/readyz")

    assert response.status_code == 200
    assert (response.json()["status"], response.json()["maintenance"]) == ("degraded", "silent")
    assert "for 90 s: start `kinomill maintenance`" in response.json()["detail"]


def test_readyz_says_that_maintenance_has_never_run(client, sessions):
    with sessions.begin() as session:
        session.execute(delete(MaintenanceBeat))

    assert "in the last hour" in client.get("/readyz").json()["detail"]


def test_readyz_is_a_503_before_the_migrations_and_requests_say_why(start, fresh_url):
    url = make_url(fresh_url).set(drivername="postgresql").render_as_string(hide_password=False)
    client = start(database_url=url)

    ready, jobs = client.get("/readyz"), client.get("/v1/jobs")
    one, workers = client.get(f"/v1/jobs/job_{'0' * 32}"), client.get("/v1/workers")

    assert ready.status_code == 503
    assert ready.json()["migrations"] == "behind"
    assert "run `kinomill migrate`" in ready.json()["detail"]
    for response in (jobs, one, workers):
        assert response.status_code == 503
        assert response.json()["code"] == "database_unavailable"
        assert "kinomill migrate" in response.json()["detail"]


def test_readyz_is_a_503_on_a_standby_and_says_so(start, fresh_url, database_url):
    upgrade(fresh_url)
    statement(fresh_url, "ALTER DATABASE fresh SET default_transaction_read_only = on")
    client = start(database_url=fresh_url.replace("+psycopg", ""))

    ready = client.get("/readyz")
    statement(database_url, "ALTER DATABASE fresh RESET default_transaction_read_only")

    assert (ready.status_code, ready.json()["database"]) == (503, "unavailable")
    assert "read-only: name the primary server in DATABASE_URL" in ready.json()["detail"]
    assert client.get("/readyz").json()["database"] == "ok"


def test_a_user_without_rights_is_a_503_that_says_so(start, fresh_url):
    upgrade(fresh_url)
    statement(fresh_url, "CREATE ROLE guest LOGIN")
    guest = make_url(fresh_url).set(username="guest", drivername="postgresql")
    client = start(database_url=guest.render_as_string(hide_password=False))

    ready, jobs = client.get("/readyz"), client.get("/v1/jobs")
    statement(fresh_url, "DROP OWNED BY guest")
    statement(fresh_url, "DROP ROLE guest")

    assert ready.status_code == 503
    assert "may not read the tables: grant it the rights" in ready.json()["detail"]
    assert (jobs.status_code, jobs.json()["code"]) == (503, "database_unavailable")
    assert "refuses its user" in jobs.json()["detail"]


@pytest.mark.parametrize(
    ("revision", "status", "word"),
    [("c3d5b8e61f02", 503, "behind"), ("0123456789ab", 200, "ahead")],
)
def test_readyz_compares_the_migrations(client, engine, revision, status, word):
    set_revision = text("UPDATE alembic_version SET version_num = :revision")
    with engine.begin() as connection:
        connection.execute(set_revision, {"revision": revision})
    try:
        response = client.get("/readyz")
    finally:
        with engine.begin() as connection:
            connection.execute(set_revision, {"revision": newest_revision()})

    assert (response.status_code, response.json()["migrations"]) == (status, word)
