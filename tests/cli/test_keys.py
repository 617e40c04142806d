"""`kinomill keys`, and where the API requires a key."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace

import httpx
import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from cli.app import typer_commands
from cli.errors import StackError
from cli.serve import settings_for_host
from tests.api.serving import closed_port
from tests.cli.test_main import kinomill
from tests.waiting import until


@pytest.fixture
def run(database_url, engine):
    """Run a command of `kinomill keys` on a database without keys."""
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE api_keys"))
    return partial(keys, DATABASE_URL=database_url)


def keys(*words, **variables):
    shown = CliRunner().invoke(
        typer_commands(), ["keys", *words], env={"COLUMNS": "200"} | variables
    )
    if isinstance(shown.exception, StackError):
        return SimpleNamespace(returncode=1, stdout=shown.stdout, stderr=str(shown.exception))
    return SimpleNamespace(returncode=shown.exit_code, stdout=shown.stdout, stderr=shown.stderr)


def key_id(shown):
    return re.search(r"key_[0-9a-f]{32}", shown)[0]


def test_only_the_key_is_printed_to_stdout(run):
    shown = run("create", "me", "--name", "laptop")

    assert shown.returncode == 0
    assert re.fullmatch(r"km_[0-9a-f]{64}\n", shown.stdout)
    assert "me" in shown.stderr
    assert shown.stdout.strip() not in run("list").stdout


def test_keys_are_listed_with_scopes_and_revocation(run):
    first = run("create", "me", "--name", "laptop")
    run("create", "you", "--scope", "read")
    run("revoke", key_id(first.stderr))

    shown = run("list").stdout

    mine, yours = (line for line in shown.splitlines() if "key_" in line)
    assert "laptop" in mine
    assert "read submit" in mine
    assert re.search(r"\d\d:\d\d.*\d\d:\d\d", mine)
    assert "submit" not in yours
    assert not re.search(r"\d\d:\d\d.*\d\d:\d\d", yours)


def test_keys_are_shown_to_programs(run):
    created = json.loads(run("create", "me", "--scope", "read", "--json").stdout)
    revoked = json.loads(run("revoke", created["id"], "--json").stdout)
    (listed,) = json.loads(run("list", "--json").stdout)

    assert created["key"].startswith("km_")
    assert (created["account"], created["scopes"], created["revoked_at"]) == ("me", ["read"], None)
    assert listed == revoked
    assert listed["revoked_at"] is not None
    assert "key" not in listed


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["create", "a b"], "letters"),
        (["create", "me", "--scope", "root"], "root"),
        (["revoke", "key_none"], "no key key_none"),
    ],
)
def test_a_wrong_argument_is_explained(run, words, message):
    shown = run(*words)

    assert shown.returncode != 0
    assert message in shown.stderr


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"KINOMILL_HOME": "/nowhere"}, "DATABASE_URL"),
        ({"DATABASE_URL": "postgresql://x@127.0.0.1:9/x"}, "database"),
    ],
)
def test_a_missing_database_is_explained(variables, message):
    shown = keys("list", **variables)

    assert shown.returncode != 0
    assert message in shown.stderr


def test_a_running_embedded_database_is_found_by_its_data_folder(home, database_url):
    shown = keys("list", "--home", str(home))

    assert shown.returncode == 0, shown.stderr


@pytest.fixture
def settings(database_url, broker_url, tmp_path):
    return {
        "DATABASE_URL": database_url,
        "REDIS_URL": broker_url,
        "KINOMILL_STORAGE": str(tmp_path),
        "KINOMILL_SECRET_KEY": "a secret of the tests, long enough",
    }


@contextmanager
def api(tmp_path, host="127.0.0.1", **variables):
    """Run `kinomill api`; gives its address."""
    port = closed_port()
    command = [sys.executable, "-m", "cli.main", "api", "--host", host, "--port", str(port)]
    with (tmp_path / "api.log").open("wb") as log:
        process = subprocess.Popen(command, env=variables, stdout=log, stderr=log)
    try:
        url = f"http://127.0.0.1:{port}"
        until(lambda: process.poll() is None and answers(url), what="the API")
        yield url
    finally:
        process.terminate()
        process.wait(timeout=20)


def answers(url):
    try:
        return httpx.get(f"{url}/livez", trust_env=False).is_success
    except httpx.TransportError:
        return False


@pytest.mark.parametrize(
    ("host", "variables", "auth"),
    [
        ("127.0.0.1", {}, "off"),
        ("::1", {}, "off"),
        ("localhost", {}, "off"),
        ("127.0.0.1", {"KINOMILL_AUTH": "keys"}, "keys"),
        ("0.0.0.0", {}, "keys"),
        ("::", {}, "keys"),
        ("example.com", {}, "keys"),
        ("0.0.0.0", {"KINOMILL_ALLOW_ANONYMOUS": "true"}, "off"),
        ("0.0.0.0", {"KINOMILL_ALLOW_ANONYMOUS": "true", "KINOMILL_AUTH": "keys"}, "keys"),
        ("0.0.0.0", {"KINOMILL_ALLOW_ANONYMOUS": "true", "KINOMILL_AUTH": "off"}, "off"),
    ],
)
def test_when_a_key_is_required(settings, monkeypatch, host, variables, auth):
    for name, value in (settings | variables).items():
        monkeypatch.setenv(name, value)

    assert settings_for_host(host).auth == auth


def test_a_key_is_required_beyond_this_machine(run, settings, tmp_path):
    secret = run("create", "me").stdout.strip()

    with api(tmp_path, "0.0.0.0", **settings) as url, httpx.Client(trust_env=False) as client:
        assert client.get(f"{url}/v1/jobs").status_code == 401
        headers = {"Authorization": f"Bearer {secret}"}
        assert client.get(f"{url}/v1/jobs", headers=headers).status_code == 200
        run("revoke", key_id(run("list").stdout))
        until(
            lambda: client.get(f"{url}/v1/jobs", headers=headers).status_code == 401,
            seconds=2,
            what="a refusal",
        )


def test_anonymous_access_beyond_this_machine_must_be_allowed_explicitly(settings):
    shown = kinomill("api", "--host", "0.0.0.0", **settings, KINOMILL_AUTH="off")

    assert shown.returncode != 0
    assert "KINOMILL_ALLOW_ANONYMOUS" in shown.stderr


def test_only_the_webhook_secret_is_printed_to_stdout(tmp_path):
    from_environment = keys("webhook-secret", "me", KINOMILL_SECRET_KEY="s" * 32)
    (tmp_path / "secret").write_text("s" * 32)
    from_folder = keys("webhook-secret", "me", "--home", str(tmp_path))

    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=\n", from_environment.stdout)
    assert from_folder.stdout == from_environment.stdout
    assert (
        keys("webhook-secret", "you", KINOMILL_SECRET_KEY="s" * 32).stdout
        != from_environment.stdout
    )


@pytest.mark.parametrize(
    ("account", "message"), [("a b", "letters"), ("me", "KINOMILL_SECRET_KEY")]
)
def test_a_missing_webhook_secret_is_explained(tmp_path, account, message):
    shown = keys("webhook-secret", account, "--home", str(tmp_path))

    assert shown.returncode != 0
    assert message in shown.stderr
