"""deploy/skypilot: keys that SkyPilot knows, settings and models that exist."""

from __future__ import annotations

import pytest
import yaml

from models.catalog import CARDS
from tests.deploy.cloudrun.keys import unknown_keys
from tests.deploy.conftest import ROOT
from workers.settings import WorkerSettings

FILE = ROOT / "deploy" / "skypilot" / "worker.yaml"
ENVIRONMENT = dict.fromkeys(
    {f"KINOMILL_{field.upper()}" for field in WorkerSettings.model_fields}
    | {"DATABASE_URL", "REDIS_URL"}
)
TASK = {
    "name": None,
    "workdir": None,
    "resources": {
        "accelerators": dict.fromkeys(["L4", "RTX4090", "L40S"]),
        "cpus": None,
        "memory": None,
        "disk_size": None,
        "use_spot": None,
        "job_recovery": {"max_restarts_on_errors": None},
    },
    "envs": ENVIRONMENT,
    "secrets": ENVIRONMENT,
    "setup": None,
    "run": None,
}
"""Of the schema of SkyPilot 0.14.1, what we use."""


@pytest.fixture(scope="module")
def task():
    return yaml.safe_load(FILE.read_text())


def test_the_task_has_known_keys_only(task):
    assert unknown_keys(task, TASK) == []


def test_the_worker_accepts_the_variables(task, monkeypatch):
    secrets = {
        "DATABASE_URL": "postgresql://kinomill:pass@db.example.com/kinomill",
        "REDIS_URL": "rediss://:pass@redis.example.com:6379/0",
        "KINOMILL_SECRET_KEY": "k" * 64,
    }
    assert set(task["secrets"]) == set(secrets)
    for name, value in (task["envs"] | secrets).items():
        monkeypatch.setenv(name, value)

    assert set(WorkerSettings().models) <= set(CARDS)


def test_secrets_have_no_value_in_the_file(task):
    assert set(task["secrets"].values()) == {None}


def test_skypilot_reads_the_task():
    sky = pytest.importorskip("sky")

    assert sky.Task.from_yaml(str(FILE)).name == "kinomill-worker"
