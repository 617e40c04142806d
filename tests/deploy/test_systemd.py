"""deploy/systemd: units that systemd accepts, with few rights, and time to drain."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from api.settings import ApiSettings
from cli.app import COMMANDS
from maintenance.settings import MaintenanceSettings
from tests.deploy.conftest import ROOT
from workers.settings import WorkerSettings

FOLDER = ROOT / "deploy" / "systemd"
UNITS = sorted(path.name for path in FOLDER.glob("*.service"))
PROGRAM = "/opt/kinomill/bin/kinomill"
KNOWN = {
    name
    for settings in (ApiSettings, WorkerSettings, MaintenanceSettings)
    for field in settings.model_fields
    for name in (f"KINOMILL_{field.upper()}", field.upper())
}
OF_THE_SYSTEM = {"CUDA_VISIBLE_DEVICES", "HOME"}
FORCED_END_SECONDS = 10
"""After the drain window the parent of a worker is gone at the latest after this."""
needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="needs Debian's systemd"
)


def directives(unit):
    """All `Name=value` lines of a unit, in order."""
    text = (FOLDER / unit).read_text()
    return re.findall(r"^([A-Za-z]+)=(.*)$", text, re.MULTILINE)


def values(unit, name):
    return [value for key, value in directives(unit) if key == name]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The units with a program that exists on this machine."""
    folder = tmp_path_factory.mktemp("units")
    for path in [*FOLDER.glob("*.service"), *FOLDER.glob("*.target")]:
        (folder / path.name).write_text(path.read_text().replace(PROGRAM, "/bin/true"))
    return folder


def analyze(*words):
    return subprocess.run(
        ["systemd-analyze", *map(str, words)], capture_output=True, text=True, timeout=60
    )


def test_there_is_a_unit_for_each_program():
    assert [
        *("kinomill-api.service", "kinomill-maintenance.service"),
        *("kinomill-migrate.service", "kinomill-worker@.service"),
    ] == UNITS


@needs_systemd
def test_systemd_accepts_the_units(installed):
    done = analyze("verify", "--man=no", *installed.iterdir())

    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
def test_systemd_finds_a_wrong_directive(installed, tmp_path):
    unit = tmp_path / "kinomill-api.service"
    unit.write_text((installed / unit.name).read_text().replace("Restart=always", "Restrat=always"))

    assert "Restrat" in analyze("verify", "--man=no", unit).stderr


@needs_systemd
@pytest.mark.parametrize("unit", UNITS)
def test_units_have_few_rights(unit):
    done = analyze("security", "--offline=true", "--threshold=20", FOLDER / unit)

    assert done.returncode == 0, done.stdout.splitlines()[-1]


@pytest.mark.parametrize("unit", UNITS)
def test_commands_are_those_of_kinomill(unit):
    (command,) = values(unit, "ExecStart")

    program, name, *_ = command.split()
    assert (program, name in COMMANDS.commands) == (PROGRAM, True)


def test_every_variable_is_a_setting():
    assigned = [value for unit in UNITS for value in values(unit, "Environment")]
    text = (FOLDER / "kinomill.env").read_text()
    names = {line.partition("=")[0] for line in assigned}
    names |= set(re.findall(r"^([A-Z_]+)=", text, re.MULTILINE))

    assert names - OF_THE_SYSTEM <= KNOWN


def test_the_file_of_settings_contains_no_secret():
    text = (FOLDER / "kinomill.env").read_text()

    assert not re.search(r"PASSWORD=|SECRET_KEY=|://[^/\s]*:[^/\s]*@", text)


def test_a_worker_has_time_to_drain():
    unit = "kinomill-worker@.service"
    window = next(
        int(value.partition("=")[2])
        for value in values(unit, "Environment")
        if value.startswith("KINOMILL_DRAIN_WINDOW=")
    )

    assert int(values(unit, "TimeoutStopSec")[0]) >= window + FORCED_END_SECONDS
    assert values(unit, "KillMode") == ["mixed"]


def test_all_programs_wait_for_the_migration():
    for unit in UNITS:
        if unit != "kinomill-migrate.service":
            assert values(unit, "Requires") == ["kinomill-migrate.service"]
            assert "kinomill-migrate.service" in values(unit, "After")[0].split()
