"""What the two wheels install, each in a separate environment."""

from __future__ import annotations

import re
import subprocess
import zipfile

import pytest

from cli.app import COMMANDS
from kinomill.cli.remote import CLIENT_SETS
from tests.packaging.conftest import ROOT

CLIENT_COMMANDS = [name for one in CLIENT_SETS for name in one.commands]
MAX_PACKAGES = 25
MAX_BYTES = 20_000_000


def modules(wheel):
    """Top-level names that a wheel installs."""
    names = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    return {name for name in names if not name.endswith(".dist-info")}


def listed(text):
    """The commands that a help page names."""
    return set(re.findall(r"^  ([a-z-]+) ", text, re.M))


def test_the_client_installs_one_top_level_package(wheels):
    assert modules(wheels[0]) == {"kinomill"}


def test_the_client_contains_every_module_of_its_folder(wheels):
    listed = subprocess.run(
        ["git", "ls-files", "kinomill/*.py"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    names = {name for name in zipfile.ZipFile(wheels[0]).namelist() if name.endswith(".py")}

    assert names == set(listed.stdout.split()) - {"kinomill/setup.py"}


def test_the_server_installs_its_folders_and_not_the_client(wheels):
    assert modules(wheels[1]) == {
        "accounts", "api", "cli", "jobs", "maintenance", "migrations", "models", "runtime",
        "storage", "weights", "workers",
    }  # fmt: skip


def test_the_wheels_contain_their_data_files(wheels):
    client, server = (set(zipfile.ZipFile(wheel).namelist()) for wheel in wheels)

    assert "kinomill/py.typed" in client
    assert "cli/examples/face.jpg" in server
    assert "migrations/script.py.mako" in server
    assert "models/musetalk/weights.toml" in server
    assert "models/wan/configs/wan2.1-i2v-480p/model_index.json" in server


def test_the_client_needs_few_packages_and_little_space(client_environment):
    site = client_environment.site_packages
    packages = sorted(path.name for path in site.glob("*.dist-info"))
    size = sum(path.stat().st_size for path in site.rglob("*") if path.is_file())

    assert len(packages) <= MAX_PACKAGES, packages
    assert size <= MAX_BYTES, f"{size:,} bytes with bytecode"
    unwanted = ("typer", "pydantic", "tenacity", "structlog", "sqlalchemy", "celery", "fastapi")
    assert not [name for name in packages if name.lower().startswith(unwanted)]


def test_the_client_can_be_imported_without_the_server(client_environment, tmp_path):
    code = "import kinomill; print(kinomill.Client, kinomill.__version__)"

    shown = client_environment.run("python", "-c", code, cwd=tmp_path)

    assert shown.returncode == 0, shown.stderr
    assert "kinomill.client.Client" in shown.stdout


def test_the_client_lists_the_remote_commands_and_how_to_install_the_others(
    client_environment, tmp_path
):
    shown = client_environment.run("kinomill", "--help", cwd=tmp_path)

    assert shown.returncode == 0, shown.stderr
    assert listed(shown.stdout) == set(CLIENT_COMMANDS)
    assert "pip install -e ./kinomill -e '.[embedded]'" in shown.stdout


@pytest.mark.parametrize("command", CLIENT_COMMANDS)
def test_each_remote_command_runs_without_the_server(client_environment, tmp_path, command):
    shown = client_environment.run("kinomill", command, "--help", cwd=tmp_path)

    assert shown.returncode == 0, shown.stderr


def test_client_and_server_together_list_all_commands(server_environment, tmp_path):
    shown = server_environment.run("kinomill", "--help", cwd=tmp_path)

    assert shown.returncode == 0, shown.stderr
    assert listed(shown.stdout) == set(CLIENT_COMMANDS) | set(COMMANDS.modules)
    assert "Only the commands of the client" not in shown.stdout


@pytest.mark.parametrize("command", COMMANDS.modules)
def test_each_server_command_is_found_by_its_entry_point(server_environment, tmp_path, command):
    shown = server_environment.run("kinomill", command, "--help", cwd=tmp_path)

    assert shown.returncode == 0, shown.stderr


def test_missing_settings_end_a_program_with_a_message(server_environment, tmp_path):
    shown = server_environment.run("kinomill", "migrate", cwd=tmp_path)

    assert shown.returncode == 1
    assert "DATABASE_URL" in shown.stderr
    assert "Traceback" not in shown.stderr
