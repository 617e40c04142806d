"""Each setting of docs/settings.md: its default can be set, and a wrong value gets a sentence."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
from datetime import timedelta
from ipaddress import IPv4Network
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Union, get_args, get_origin

import pytest
from pydantic import ByteSize, ValidationError

from api.settings import ApiSettings
from cli.models.settings import ModelsSettings
from cli.settings import CliSettings
from docs.generate import COMPUTED
from kinomill.settings import warn_of_unknown_settings
from maintenance.settings import MaintenanceSettings
from models.latentsync.settings import LatentSyncSettings
from models.settings import EncoderSettings, FaceSettings, MattingSettings, NumberFormatSettings
from models.wan.settings import WanSettings
from runtime.config.errors import sentences
from runtime.config.fields import as_text, default_text, example_of, variable_of
from runtime.config.unknown import unknown_variables
from runtime.settings import DatabaseSettings, Settings, unknown_settings
from weights.settings import WeightsSettings
from workers.settings import WorkerSettings

KINDS = (
    DatabaseSettings, Settings, ApiSettings, WorkerSettings, MaintenanceSettings, WeightsSettings,
    FaceSettings, NumberFormatSettings, EncoderSettings, MattingSettings, WanSettings, CliSettings,
    LatentSyncSettings, ModelsSettings,
)  # fmt: skip
REQUIRED = {
    "DATABASE_URL": "postgresql://kinomill@db/kinomill",
    "REDIS_URL": "redis://redis:6379/0",
    "KINOMILL_STORAGE": "gs://bucket",
    "KINOMILL_SECRET_KEY": "k" * 32,
}
URLS = ["", "nonsense", "sentinel://host:26379/0", "ftp://host/", "https://", "https://h:port/"]
FOLDERS = ["/dev/null", "/dev/null/below", "~nobody-of-this-name/x"]
NO_PATHS = ["file:///x", "s3://bucket", "$HOME/x"]
BY_NAME = {
    "database_url": [
        *URLS,
        "postgresql+asyncpg://host/db",
        "mysql://h/db",
        '["postgresql://h/d"]',
        "postgresql://h/d?schema=public",
        "postgresql+psycopg://h/d?pgbouncer=true",
    ],
    "redis_url": [
        *URLS,
        "sentinel://h:26379/0",
        "redis://",
        "redis://h/zero",
        "postgresql://h/d",
        "redis://h/0?x=y",
        "redis://h?timeuot=",
    ],
    "input_buckets": ["nonsense", "s3://", "https://bucket", "/folder"],
    "s3_endpoint": [*URLS[1:], "minio:9000", "https://h/?q=1"],
    "storage": [
        "ftp://x",
        "s3://",
        "gs://",
        "/dev/null",
        "/dev/null/below",
        "s3:/bucket",
        "file:/x",
        "gs://b ucket",
        "$HOME/x",
        "${HOME}/x",
    ],
    "secret_key": ["short", "k" * 31, '["k"]'],
    "public_url": [*URLS[1:], "host:8000", "https://h/?q=1"],
    "hf_endpoint": [*URLS[1:], "huggingface.co", "https://h/#x"],
    "weights_mirror": ["s3://bucket", "gs://", "file://host/x", "/folder", "GS://b", "gs:// b"],
    "model_memory": ["much", "-1GB", "24 parsecs", "24", "0"],
    "flower_password": ["short", "a,long,password", "a\tlong password", "ein schöner Satz"],
    "allowed_hosts": ["http://h", "a b", '["a"', "h:80/x"],
    "cors_origins": ["localhost:3000", "http://h/path", "null", "ftp://h"],
    "fetch_ca_file": ["/nowhere.pem", "/etc/passwd", "/"],
    "fetch_proxy": ["proxy:3128", "socks5://h:1", "https://h:1", "http://h:port", "http://h/path"],
    "hf_token": ["a b", "ä", "a\nb"],
    "gpus": ["0", "-1", "every", "0;1", "1.5"],
    "health_host": ["http://127.0.0.1", "127.0.0.1:80x", "a b"],
    "pod_name": ["Worker-1", "a_b", "-a", "a" * 300],
    "step_cache": ["on", "first_block", "first_block:x", "first_block:2", "first_block:0"],
    "heartbeat_file": ["/", "/dev/null/below", "~nobody-of-this-name/x"],
    "weights_adopt": ['["/a"', '{"a": 1}', "['/a']"],
}
"""Wrong values of the settings whose type does not say enough."""
JARGON = (
    r"field required|input should|value error|unable to|could not|datetime\.|string should|pattern"
)
"""What pydantic says, and people do not."""
ANYTHING = {"database_password"}
"""Settings without wrong values."""


def wrong_values(name, annotation):
    if name in BY_NAME:
        return BY_NAME[name]
    for kind in alternatives(annotation):
        found = wrong_values_of(kind)
        if found:
            return found
    raise AssertionError(f"no wrong values for {name}: {annotation}")


def alternatives(annotation):
    if get_origin(annotation) in {Union, UnionType}:
        return [kind for one in get_args(annotation) for kind in alternatives(one)]
    if get_origin(annotation) is Annotated:
        return alternatives(get_args(annotation)[0])
    return [] if annotation is NoneType else [annotation]


NUMBERS = ["-1", "many", "1e400", "[1]"]
BY_TYPE = {
    ByteSize: ["much", "-1GB", "24 parsecs"],
    tuple: ['["a"', '{"a": 1}', "['a']", "[1]"],
    frozenset: ['["a"', '{"a": 1}', "['a']", "[1]"],
    dict: ['{"a": 1}', '{"a"', "a", "=b", '["a"]'],
    bool: ["maybe", "2", "[]"],
    int: NUMBERS,
    float: NUMBERS,
    timedelta: ["0", "-5", "soon", "P", "PT", "9" * 400, "1e3", "[60]"],
    Path: [*FOLDERS, *NO_PATHS],
}


def wrong_values_of(kind):
    if IPv4Network in alternatives((get_args(kind) or (None,))[0]):
        return ["10.0.0.1/8", "lan", '["10.0.0.0/99"]', '["10.0.0.0/8"']
    return BY_TYPE.get(get_origin(kind) or kind, ["nonsense", "[]", "-"])


def every_setting():
    return [
        pytest.param(kind, name, id=f"{kind.__name__}.{name}")
        for kind in KINDS
        for name in kind.model_fields
    ]


@pytest.fixture
def environment(monkeypatch):
    for name, value in REQUIRED.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.mark.parametrize(("kind", "name"), every_setting())
def test_its_default_can_be_set(environment, kind, name):
    field, variable = kind.model_fields[name], variable_of(kind, name)
    default = default_text(field)
    if default is None:
        default = REQUIRED[variable]
    else:
        environment.delenv(variable, raising=False)
    expected = getattr(kind(), name)

    environment.setenv(variable, default)

    assert getattr(kind(), name) == expected


@pytest.mark.parametrize(("kind", "name"), every_setting())
def test_its_example_is_right(environment, kind, name):
    example = example_of(kind.model_fields[name])
    if example is not None and name not in COMPUTED:
        environment.setenv(variable_of(kind, name), example)
        if name == "on_demand":
            environment.setenv("KINOMILL_MODELS", example)

    assert as_text(getattr(kind(), name)) is not None


@pytest.mark.parametrize(("kind", "name"), every_setting())
def test_each_wrong_value_gets_one_sentence_that_names_it_and_a_right_value(
    environment, kind, name
):
    field, variable = kind.model_fields[name], variable_of(kind, name)
    if name in ANYTHING:
        return
    for wrong in wrong_values(name, field.annotation):
        if wrong == "" and not field.is_required():
            continue
        environment.setenv(variable, wrong)

        with pytest.raises(ValidationError) as refused:
            kind()

        found = list(sentences(refused.value))
        assert len(found) == 1, (wrong, found)
        assert found[0].startswith(variable), found
        assert f"for example {variable}=" in found[0], found
        assert not re.search(JARGON, found[0], re.I), found


@pytest.mark.parametrize("mark", ['"', "'"])
@pytest.mark.parametrize(("kind", "name"), every_setting())
def test_quotation_marks_that_nothing_removed_are_named(environment, kind, name, mark):
    """`docker run --env-file` and systemd's files of other programs leave them in the value."""
    if name in ANYTHING:
        return
    variable = variable_of(kind, name)
    right = REQUIRED.get(variable) or example_of(kind.model_fields[name]) or "x"
    environment.setenv(variable, f"{mark}{right}{mark}")

    with pytest.raises(ValidationError) as refused:
        kind()

    (found,) = sentences(refused.value)
    assert found.startswith(variable), found
    assert "should be without the quotation marks around it" in found


@pytest.mark.parametrize("text", ["ALL", " all ", "0, 1", "0 ,1"])
def test_gpus_take_any_case_and_spaces(environment, text):
    environment.setenv("KINOMILL_GPUS", text)

    assert WorkerSettings().gpus in {"all", "0,1"}


def test_a_name_of_compose_is_a_host(environment):
    environment.setenv("KINOMILL_ALLOWED_HOSTS", "my_api,mill.lan")

    assert ApiSettings().allowed_hosts == ("my_api", "mill.lan")


def test_a_worker_has_at_least_one_model(environment):
    for text in ("[]", ",", " , "):
        environment.setenv("KINOMILL_MODELS", text)

        with pytest.raises(ValidationError) as refused:
            WorkerSettings()

        assert "should have at least 1 item" in next(sentences(refused.value))


def test_a_missing_setting_is_called_required_with_an_example(monkeypatch):
    for name in REQUIRED:
        monkeypatch.delenv(name, raising=False)

    with pytest.raises(ValidationError) as missing:
        Settings()

    assert [
        text.partition(" is required, but not set; for example ")[0]
        for text in sentences(missing.value)
    ] == list(REQUIRED)


@pytest.mark.parametrize(
    ("kind", "variables", "text"),
    [
        (WorkerSettings, {"KINOMILL_HEARTBEAT_INTERVAL": "40"}, "KINOMILL_LEASE_TTL"),
        (WorkerSettings, {"KINOMILL_WORKER_HEARTBEAT_INTERVAL": "11"}, "at most 10 s"),
        (WorkerSettings, {"KINOMILL_ON_DEMAND": "wav2lip"}, "KINOMILL_MODELS"),
    ],
)
def test_a_rule_between_settings_names_the_variables(environment, kind, variables, text):
    for name, value in variables.items():
        environment.setenv(name, value)

    with pytest.raises(ValidationError) as refused:
        kind()

    (sentence,) = sentences(refused.value)
    assert sentence.startswith(next(iter(variables)))
    assert text in sentence


@pytest.mark.parametrize("text", ['["a", "b"]', "a,b", " a , b ", "a,b,"])
def test_a_list_is_json_or_separated_by_commas(environment, text):
    environment.setenv("KINOMILL_MODELS", text)

    assert WorkerSettings().models == ("a", "b")


def test_origins_are_as_browsers_send_them(environment):
    environment.setenv("KINOMILL_CORS_ORIGINS", "https://Pages.example:443/, http://localhost:3000")

    assert ApiSettings().cors_origins == ("https://pages.example", "http://localhost:3000")


@pytest.mark.parametrize("text", ['{"a": "x", "b": "y"}', "a=x,b=y", "a = x , b = y"])
def test_a_table_is_json_or_pairs(environment, text):
    environment.setenv("KINOMILL_WEIGHTS_PROFILES", text)

    assert WeightsSettings().weights_profiles == {"a": "x", "b": "y"}


@pytest.mark.parametrize("text", ["json", "JSON", "Json", " json "])
def test_choices_take_any_case(environment, text):
    environment.setenv("KINOMILL_LOG_FORMAT", text)
    environment.setenv("KINOMILL_LOG_LEVEL", "warning")
    environment.setenv("KINOMILL_AUTH", "OFF")

    settings = ApiSettings()

    assert (settings.log_format, settings.log_level, settings.auth) == ("json", "WARNING", "off")


def test_a_tilde_is_the_home_folder(environment, tmp_path):
    environment.setenv("HOME", str(tmp_path))
    environment.setenv("KINOMILL_WEIGHTS", "~/weights")
    environment.setenv("KINOMILL_SCRATCH", "~/scratch")
    environment.setenv("KINOMILL_WEIGHTS_ADOPT", "/srv/hub, ~/hub")

    settings = WorkerSettings()

    assert (settings.weights, settings.scratch) == (tmp_path / "weights", tmp_path / "scratch")
    assert settings.weights_adopt == (Path("/srv/hub"), tmp_path / "hub")


@pytest.mark.parametrize("variable", ["DATABASE_URL", "REDIS_URL", "KINOMILL_SECRET_KEY"])
def test_a_wrong_secret_is_not_shown(environment, variable):
    environment.setenv(variable, "x://user:hunter2@h/#hunter2")

    with pytest.raises(ValidationError) as refused:
        Settings()

    assert "hunter2" not in " ".join(sentences(refused.value))


PROGRAMS = {
    "api": ["-m", "cli.main", "api"],
    "worker": ["-m", "cli.main", "worker"],
    "maintenance": ["-m", "cli.main", "maintenance"],
    "migrate": ["-m", "cli.main", "migrate"],
    "flower": ["-m", "cli.main", "flower"],
    "keys": ["-m", "cli.main", "keys", "list"],
    "doctor": ["-m", "cli.main", "doctor"],
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_each_program_ends_with_the_sentence_and_warns_of_unknown_names(program, tmp_path):
    wrong = "REDIS_URL" if program != "migrate" else "DATABASE_URL"
    variables = REQUIRED | {wrong: "sentinel://host", "KINOMILL_WEIGTHS": "/x"}

    shown = subprocess.run(
        [sys.executable, *PROGRAMS[program]],
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)} | variables,
    )

    assert shown.returncode != 0
    assert f"{wrong} should be the URL of " in shown.stderr
    assert f"; for example {wrong}=" in shown.stderr
    assert "Traceback" not in shown.stderr


def test_an_unknown_variable_is_reported_with_the_nearest_name():
    variables = ["KINOMILL_WEIGTHS", "kinomill_log_fromat", "KINOMILL_QQQQ", "KINOMILL_HOME", "X"]

    sentences_of = unknown_variables(variables)

    assert [
        text.partition(" is not a setting and has no effect; ")[::2] for text in sentences_of
    ] == [
        ("KINOMILL_QQQQ", "docs/settings.md lists all"),
        ("KINOMILL_WEIGTHS", "did you mean KINOMILL_WEIGHTS?"),
        ("kinomill_log_fromat", "did you mean KINOMILL_LOG_FORMAT?"),
    ]


def test_the_client_and_the_programs_report_the_same_names(monkeypatch, caplog):
    monkeypatch.setenv("KINOMILL_ULR", "x")
    with caplog.at_level(logging.WARNING, logger="kinomill"):
        warn_of_unknown_settings.__wrapped__()

    assert unknown_settings() == [record.getMessage() for record in caplog.records]
