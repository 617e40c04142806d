"""The hashed requirement files are complete: each package, its version and its digests."""

from __future__ import annotations

import re
import sys
import tomllib

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.packaging.conftest import ROOT

sys.path.insert(0, str(ROOT / "docker" / "steps"))
from requirements import requirements

FOLDER = ROOT / "requirements"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CLIENT = tomllib.loads((ROOT / "kinomill" / "pyproject.toml").read_text())["project"]
EXTRAS = sorted(PROJECT["optional-dependencies"])
DIGEST = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def entries(name):
    text = (FOLDER / f"{name}.txt").read_text().replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def pins(name, python="3.11"):
    environment = default_environment() | {
        "python_version": python,
        "python_full_version": f"{python}.9",
        "sys_platform": "linux",
        "platform_machine": "x86_64",
    }
    found = {}
    for line in entries(name):
        requirement = Requirement(line.partition("--hash")[0].strip())
        if requirement.marker is None or requirement.marker.evaluate(environment):
            (version,) = requirement.specifier
            found[canonicalize_name(requirement.name)] = version.version
    return found


def constraints():
    lines = (ROOT / "constraints.txt").read_text().split()
    return {
        canonicalize_name(name): version for name, _, version in (x.partition("==") for x in lines)
    }


def test_each_extra_has_a_file_and_no_file_is_left_over():
    files = {path.stem for path in FOLDER.glob("*.txt")}

    assert files == {*EXTRAS, "torch", "torch-cuda"}


@pytest.mark.parametrize("name", [*EXTRAS, "torch", "torch-cuda"])
def test_each_line_pins_one_version_with_digests(name):
    for line in entries(name):
        assert re.match(r"[a-zA-Z0-9._-]+==\S+ ", line), line
        assert DIGEST.search(line), line


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
@pytest.mark.parametrize("extra", EXTRAS)
def test_each_requirement_of_the_project_is_met(extra, python):
    found = pins(extra, python)
    needed = map(Requirement, requirements(PROJECT, [extra]) + requirements(CLIENT, []))
    environment = {"python_version": python, "sys_platform": "linux"}

    missing = [
        str(one)
        for one in needed
        if (one.marker is None or one.marker.evaluate(environment))
        and found.get(canonicalize_name(one.name)) not in one.specifier
    ]

    assert missing == []


@pytest.mark.parametrize("name", [*EXTRAS, "torch"])
def test_versions_are_those_of_the_constraints(name):
    pinned = constraints()

    assert {
        package: version
        for package, version in pins(name).items()
        if package in pinned and pinned[package] != version
    } == {}


def test_a_build_step_with_two_extras_writes_each_package_once(tmp_path, monkeypatch):
    from requirements import main

    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["requirements.py", str(tmp_path / "out"), "worker", "flower"])
    main()

    lines = (tmp_path / "out" / "requirements.txt").read_text().splitlines()
    names = [line.partition("==")[0] for line in lines]
    assert len(names) == len(set(names))
    assert all(DIGEST.search(line) for line in lines)
    assert (tmp_path / "out" / "build.txt").read_text().startswith("setuptools==")
