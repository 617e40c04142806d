"""A real Prometheus scrapes API and worker; what goes wrong raises its alert."""

from __future__ import annotations

import os
import shutil
import signal

import pytest
import yaml
from sqlalchemy import select

from bench.dashboard.prometheus import RULES, Prometheus
from cli.settings import CliSettings
from cli.stack import Stack, free_port
from jobs.tables import Worker
from kinomill import Client
from runtime.database import create_database_engine, create_session_factory
from tests.acceptance.flower_page import started
from tests.acceptance.pictures import wall
from tests.folders import temporary_folder
from tests.waiting import until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("prometheus") is None,
        reason="prometheus is not installed: apt-get install prometheus",
    ),
]
SECONDS = 60


@pytest.fixture
def home():
    with temporary_folder("monitoring") as folder:
        yield folder


@pytest.fixture
def stack(home):
    variables = {"KINOMILL_METRICS": "true", "KINOMILL_HEALTH_PORT": str(free_port())}
    settings = CliSettings(database_url=None, redis_url=None, storage=None)
    with Stack(home, free_port(), settings, lambda _: None, variables) as running:
        yield running


@pytest.fixture
def flower(stack):
    yield from started(stack, (), {})


@pytest.fixture
def prometheus(stack, flower, home):
    """The rules of the deployment, but each alert fires after two seconds."""
    rules = home / "short.yml"
    lines = RULES.read_text().splitlines()
    rules.write_text("\n".join("        for: 2s" if "  for: " in line else line for line in lines))
    health = stack.variables["KINOMILL_HEALTH_PORT"]
    targets = {
        "kinomill-api": stack.url.removeprefix("http://"),
        "kinomill-worker": f"127.0.0.1:{health}",
        "kinomill-flower": f"127.0.0.1:{flower.base_url.port}",
    }
    config = yaml.safe_load((RULES.parent / "prometheus.yml").read_text())
    assert set(targets) == {job["job_name"] for job in config["scrape_configs"]}
    with Prometheus(home, targets, rules=rules) as running:
        yield running


def test_killed_programs_raise_their_alerts_in_a_running_stack(stack, prometheus, tmp_path):
    def firing():
        return {
            alert["labels"]["alertname"]
            for alert in prometheus.alerts()
            if alert["state"] == "firing"
        }

    until(lambda: set(prometheus.targets().values()) == {"up"}, seconds=SECONDS)
    assert not firing() & {"KinomillTargetDown", "KinomillMaintenanceSilent", "KinomillNoWorker"}

    engine = create_database_engine(stack.database_url)
    with create_session_factory(engine)() as session:
        [worker] = session.scalars(select(Worker.pid))
    engine.dispose()
    os.kill(worker, signal.SIGKILL)
    with Client(stack.url) as client:
        client.submit("preview-i2v", image=wall(tmp_path / "wall.png"), prompt="a walk")
    until(lambda: {"KinomillTargetDown", "KinomillNoWorker"} <= firing(), seconds=SECONDS)
