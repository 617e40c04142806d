"""compose.yaml mirrors what `kinomill up` runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from api.bodies.form_body import MAX_FILES, MAX_TEXT_BYTES
from api.bodies.incoming_file import BUFFER_BYTES
from api.settings import ApiSettings
from cli.app import COMMANDS
from cli.settings import CliSettings
from maintenance.settings import MaintenanceSettings
from storage.bucket import TRANSFER_BYTES
from workers.settings import WorkerSettings

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def services():
    return yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]


def test_every_program_of_a_deployment_has_a_service(services):
    assert set(services) == {
        "db", "redis", "migrate", "api", "maintenance", "weights", "worker",
        "flower", "prometheus", "grafana",
    }  # fmt: skip
    assert services["flower"]["profiles"] == ["flower", "monitoring"]
    assert services["prometheus"]["profiles"] == services["grafana"]["profiles"] == ["monitoring"]


def test_every_command_is_a_kinomill_command(services):
    for service in services.values():
        if service.get("command", [""])[0] == "kinomill":
            assert service["command"][1] in COMMANDS.commands


def test_every_variable_is_a_setting(services):
    known = {
        f"KINOMILL_{name.upper()}"
        for settings in (ApiSettings, WorkerSettings, MaintenanceSettings, CliSettings)
        for name in settings.model_fields
    }
    for service in services.values():
        names = {name for name in service.get("environment", {}) if name.startswith("KINOMILL_")}
        assert names <= known


def test_nothing_listens_beyond_this_machine(services):
    ports = [port for service in services.values() for port in service.get("ports", [])]

    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_database_and_the_broker_are_not_reachable_from_outside(services):
    networks = yaml.safe_load((ROOT / "compose.yaml").read_text())["networks"]

    assert services["db"]["networks"] == ["database"]
    assert services["redis"]["networks"] == ["broker"]
    assert networks["database"] == networks["broker"] == {"internal": True}


def test_monitors_cannot_reach_the_database(services):
    for name in ("flower", "prometheus", "grafana"):
        assert "database" not in services[name]["networks"]


def test_our_programs_run_without_capabilities_on_a_read_only_root(services):
    for name in set(services) - {"db", "redis"}:
        service = services[name]
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name


def test_the_file_contains_no_secret(services):
    for name, service in services.items():
        secret = {"KINOMILL_SECRET_KEY", "POSTGRES_PASSWORD", "DATABASE_PASSWORD"}
        assert not secret & set(service.get("environment", {})), name


def test_a_worker_has_time_to_drain(services):
    window = WorkerSettings.model_fields["drain_window"].default.total_seconds()

    assert int(services["worker"]["stop_grace_period"].removesuffix("s")) >= window + 15


def test_the_gpu_file_changes_only_existing_services(services):
    gpu = yaml.safe_load((ROOT / "compose.gpu.yaml").read_text())["services"]

    assert set(gpu) == {"weights", "worker"} <= set(services)
    devices = gpu["worker"]["deploy"]["resources"]["reservations"]["devices"]
    count = "${KINOMILL_GPUS:-1}"
    assert devices == [{"driver": "nvidia", "count": count, "capabilities": ["gpu"]}]


def test_the_worker_of_several_gpus_is_told_how_many_it_gets(services):
    """`KINOMILL_GPUS` reserves them, and the same variable reaches `kinomill worker`."""
    gpu = yaml.safe_load((ROOT / "compose.gpu.yaml").read_text())["services"]["worker"]
    passed = (ROOT / "docker" / "settings.env").read_text().splitlines()

    assert services["worker"]["env_file"] == "docker/settings.env"
    assert "KINOMILL_GPUS" in passed
    assert services["worker"]["command"] == ["kinomill", "worker"]
    assert "command" not in gpu


def test_the_broker_evicts_nothing(services):
    command = services["redis"]["command"]

    assert command[command.index("--maxmemory-policy") + 1] == "noeviction"
    assert command[command.index("--appendonly") + 1] == "yes"


def test_compose_passes_every_setting_of_the_docs(services):
    page = (ROOT / "docs" / "settings.md").read_text()
    names = (ROOT / "docker" / "settings.env").read_text().splitlines()
    passed = {name for name in names if not name.startswith("#")}
    secrets = {"DATABASE_PASSWORD", "KINOMILL_SECRET_KEY"}
    sections = {
        "api": ("All programs", "API"),
        "worker": ("All programs", "Worker", "Weights", "Models"),
        "maintenance": ("All programs", "Maintenance"),
    }

    for program, titles in sections.items():
        service = services[program]
        assert service["env_file"] == "docker/settings.env"
        for section in page.split("\n## ")[1:]:
            if section.startswith(titles):
                documented = set(re.findall(r"^\| `([A-Z0-9_]+)` \|", section, re.M))
                given = passed | secrets | set(service["environment"]) | {"KINOMILL_FAULT_AT"}
                assert documented <= given, program


def test_the_env_file_has_names_only_so_that_an_unset_one_stays_unset():
    lines = (ROOT / "docker" / "settings.env").read_text().splitlines()

    assert all(re.fullmatch("[A-Z0-9_]+", line) for line in lines if not line.startswith("#"))
    assert not {"DATABASE_PASSWORD", "KINOMILL_SECRET_KEY"} & set(lines)


API_AT_REST = 200_000_000
"""Resident bytes of an API with Google's client that has answered requests."""
UNITS = {"m": 1024**2, "g": 1024**3}


def in_bytes(text):
    return int(text[:-1]) * UNITS[text[-1]]


def in_memory(service):
    """The sizes of all tmpfs of a service, which count as its memory."""
    mounts = [mount.partition(":size=") for mount in service.get("tmpfs", [])]
    assert all(size for _, _, size in mounts), "a tmpfs without a size may take half the memory"
    return sum(in_bytes(size) for _, _, size in mounts)


def test_the_memory_of_the_api_fits_all_uploads_that_it_receives_at_once(services):
    uploads = ApiSettings.model_fields["max_uploads"].default
    each = MAX_FILES * BUFFER_BYTES + MAX_TEXT_BYTES + 2 * TRANSFER_BYTES
    api = services["api"]

    limit = in_bytes(api["deploy"]["resources"]["limits"]["memory"])
    assert API_AT_REST + in_memory(api) + uploads * each <= limit


def test_files_of_the_api_are_on_disk_and_not_in_memory(services):
    assert in_memory(services["api"]) == 0
    assert "/tmp" in services["api"]["volumes"]


def test_no_tmpfs_takes_more_than_a_quarter_of_the_memory_of_its_service(services):
    for name, service in services.items():
        limits = service.get("deploy", {}).get("resources", {}).get("limits", {})
        if in_memory(service) and "memory" in limits:
            assert 4 * in_memory(service) <= in_bytes(limits["memory"]), name
