"""Settings: what is missing is named, and what is secret stays so."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta

import pytest
from pydantic import ValidationError
from sqlalchemy.engine import make_url

from runtime.config.errors import describe_errors
from runtime.config.unknown import unknown_variables
from runtime.settings import DatabaseSettings, Settings
from workers.settings import WorkerSettings

SECRET = "correct-horse-battery-staple-and-more"
ENVIRONMENT = {
    "DATABASE_URL": f"postgresql://me:{SECRET}@db/kinomill",
    "REDIS_URL": f"redis://:{SECRET}@broker/0",
    "KINOMILL_STORAGE": "gs://bucket",
    "KINOMILL_SECRET_KEY": SECRET,
}


@pytest.fixture
def environment(monkeypatch):
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_every_missing_variable_is_named(monkeypatch):
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)

    with pytest.raises(ValidationError) as missing:
        Settings()

    named = {fault["loc"][0] for fault in missing.value.errors()}
    assert named == {"DATABASE_URL", "REDIS_URL", "storage", "secret_key"}


def test_secrets_are_not_shown(environment):
    settings = Settings()

    assert SECRET not in f"{settings!r} {settings} {settings.model_dump()}"
    assert settings.secret_key.get_secret_value() == SECRET


def test_a_short_secret_is_refused_and_not_shown(environment):
    environment.setenv("KINOMILL_SECRET_KEY", "hunter2")

    with pytest.raises(ValidationError, match="at least 32") as refused:
        Settings()

    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("store", ["objects", "/srv/o", "~/o", "file:///o", "gs://b/p", "s3://b"])
def test_storage_is_a_folder_or_a_bucket(environment, store):
    environment.setenv("KINOMILL_STORAGE", store)

    assert Settings().storage == store


@pytest.mark.parametrize("store", ["", "ftp://x", "s3://", "gs://", "gs:///p", "file://o"])
def test_any_other_storage_is_refused(environment, store):
    environment.setenv("KINOMILL_STORAGE", store)

    with pytest.raises(ValidationError, match="gs://bucket/prefix"):
        Settings()


@pytest.mark.parametrize("text", ["90", "90.0", "PT90S", "PT1M30S"])
def test_a_duration_is_seconds_or_iso_8601(environment, text):
    environment.setenv("KINOMILL_LEASE_TTL", text)

    assert Settings().lease_ttl == timedelta(seconds=90)


@pytest.mark.parametrize("text", ["0", "-5", "soon"])
def test_an_invalid_duration_is_refused(environment, text):
    environment.setenv("KINOMILL_LEASE_TTL", text)

    with pytest.raises(ValidationError, match="lease_ttl"):
        Settings()


def test_a_heartbeat_interval_too_long_for_the_lease_is_refused(environment):
    environment.setenv("KINOMILL_HEARTBEAT_INTERVAL", "PT30S")

    with pytest.raises(ValidationError, match="heartbeat_interval"):
        WorkerSettings()


def test_models_and_networks_are_json_lists(environment):
    environment.setenv("KINOMILL_MODELS", '["a", "b"]')
    environment.setenv("KINOMILL_FETCH_NETWORKS", '["10.0.0.0/8"]')

    settings = WorkerSettings()

    assert settings.models == ("a", "b")
    assert str(settings.fetch_networks[0]) == "10.0.0.0/8"


def test_settings_cannot_be_changed(environment):
    with pytest.raises(ValidationError):
        Settings().storage = "elsewhere"


def test_secrets_are_read_from_files(tmp_path, monkeypatch):
    for name in ("DATABASE_PASSWORD", "KINOMILL_SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DATABASE_URL", "postgresql://me@db:5432/mill?sslmode=require")
    (tmp_path / "database_password").write_text("p@ss/w%rd\n")
    (tmp_path / "kinomill_secret_key").write_text("k" * 32 + "\n")
    (tmp_path / "hf_token").write_text("hf_abc\n")

    settings = WorkerSettings(_secrets_dir=tmp_path, redis_url="redis://r", storage="/s")

    url = make_url(settings.database_url.get_secret_value())
    assert (url.username, url.password, url.host) == ("me", "p@ss/w%rd", "db")
    assert url.query == {"sslmode": "require"}
    assert settings.secret_key.get_secret_value() == "k" * 32
    assert settings.hf_token.get_secret_value() == "hf_abc"


def test_a_password_in_the_url_takes_precedence_over_a_file(tmp_path):
    (tmp_path / "database_password").write_text("other")

    settings = DatabaseSettings(_secrets_dir=tmp_path, database_url="postgresql://me:mine@db/mill")

    assert settings.database_url.get_secret_value() == "postgresql://me:mine@db/mill"


SECRETS = """
import pathlib
pathlib.Path.is_dir = lambda folder: True
from {module} import {name}
print({name}.model_config["secrets_dir"])
"""


@pytest.mark.parametrize(
    "place",
    ["api:Api", "cli:Cli", "runtime:Database", "maintenance:Maintenance", "workers:Worker"],
)
def test_every_program_reads_secrets_from_the_same_folder(place):
    package, _, name = place.partition(":")
    program = SECRETS.format(module=f"{package}.settings", name=f"{name}Settings")

    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    assert shown.stdout == "/run/secrets\n", shown.stderr


@pytest.mark.parametrize(
    ("storage", "buckets"),
    [
        ("s3://mill/media", ["s3://mill"]),
        ("s3://mill/media", ["s3://mill/media"]),
        ("s3://mill/media", ["s3://mill/media/results/"]),
        ("gs://mill", ["s3://other", "gs://mill/public"]),
    ],
)
def test_inputs_may_not_name_what_other_accounts_have_stored(environment, storage, buckets):
    environment.setenv("KINOMILL_STORAGE", storage)
    environment.setenv("KINOMILL_INPUT_BUCKETS", ",".join(buckets))

    with pytest.raises(ValidationError, match="KINOMILL_STORAGE is there"):
        Settings()


def test_a_bucket_beside_the_storage_may_be_named_by_inputs(environment):
    environment.setenv("KINOMILL_STORAGE", "s3://mill/media")
    environment.setenv("KINOMILL_INPUT_BUCKETS", "s3://mill/media2/")

    assert Settings().input_buckets == ("s3://mill/media2",)


def test_a_name_that_is_too_long_for_a_file_is_refused_in_a_sentence(environment):
    environment.setenv("KINOMILL_HEARTBEAT_FILE", "a" * 5000)

    with pytest.raises(ValidationError) as wrong:
        WorkerSettings()

    assert "KINOMILL_HEARTBEAT_FILE" in describe_errors(wrong.value)
    assert "should have a shorter name" in describe_errors(wrong.value)


def test_one_setting_in_two_cases_is_named():
    assert unknown_variables(["kinomill_gpus", "KINOMILL_GPUS", "kinomill_scratch"]) == [
        "kinomill_gpus and KINOMILL_GPUS are one setting, and one of them has no effect"
    ]
