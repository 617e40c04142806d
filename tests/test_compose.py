"""compose.yaml mirrors what `framemill up` runs."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from api.settings import ApiSettings
from cli.app import everything
from cli.settings import CliSettings
from workers.settings import WorkerSettings

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def services():
    return yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]


def test_every_program_of_a_deployment_is_there(services):
    assert set(services) == {
        "db", "redis", "migrate", "api", "housekeeper", "worker", "flower",
    }  # fmt: skip
    assert services["flower"]["profiles"] == ["flower"]


def test_its_commands_are_commands_of_framemill(services):
    for service in services.values():
        if service.get("command", [""])[0] == "framemill":
            result = CliRunner().invoke(everything(), [service["command"][1], "--help"])
            assert result.exit_code == 0, result.output


def test_its_variables_are_settings(services):
    known = {
        f"FRAMEMILL_{name.upper()}"
        for settings in (ApiSettings, WorkerSettings, CliSettings)
        for name in settings.model_fields
    }
    for service in services.values():
        names = {name for name in service.get("environment", {}) if name.startswith("FRAMEMILL_")}
        assert names <= known


def test_nothing_listens_beyond_this_machine(services):
    ports = [port for service in services.values() for port in service.get("ports", [])]

    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_database_and_the_broker_are_not_reachable_from_outside(services):
    assert services["db"]["networks"] == ["inside"]
    assert services["redis"]["networks"] == ["inside"]


def test_the_broker_evicts_nothing(services):
    command = services["redis"]["command"]

    assert command[command.index("--maxmemory-policy") + 1] == "noeviction"
    assert command[command.index("--appendonly") + 1] == "yes"
