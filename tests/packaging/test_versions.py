"""Client and server have the same version, wherever it is written."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

import kinomill
from runtime.version import VERSION

ROOT = Path(__file__).parents[2]


def project(path):
    return tomllib.loads((ROOT / path).read_text())["project"]


def test_client_and_server_have_the_same_version():
    versions = {project("kinomill/pyproject.toml")["version"], project("pyproject.toml")["version"]}

    assert versions == {kinomill.__version__} == {VERSION}


def test_the_server_requires_the_client_of_its_own_version():
    assert f"kinomill=={VERSION}" in project("pyproject.toml")["dependencies"]


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        ("docker-bake.hcl", r'variable "TAG" \{ default = "(.+)" \}'),
        ("docker/api.Dockerfile", r"ARG VERSION=(.+)"),
        ("docker/worker.Dockerfile", r"ARG VERSION=(.+)"),
        ("compose.yaml", r"KINOMILL_VERSION:-(.+?)\}"),
        ("compose.gpu.yaml", r"KINOMILL_VERSION:-(.+?)\}"),
    ],
)
def test_the_images_have_the_project_version(path, pattern):
    assert set(re.findall(pattern, (ROOT / path).read_text())) == {VERSION}


def test_the_client_needs_only_libraries_that_the_server_has_in_the_same_range():
    server = set(project("pyproject.toml")["dependencies"])

    assert set(project("kinomill/pyproject.toml")["dependencies"]) <= server
