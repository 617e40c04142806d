"""The extra that a model's library comes from."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from models.extras import EXTRAS, extra_missing

MODULES = {"opencv-python-headless": "cv2", "pillow": "PIL"}


def test_each_package_of_an_extra_for_models_is_known():
    pyproject = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    extras = pyproject["project"]["optional-dependencies"]
    found = {}
    for extra in ("media", "weights", "worker", "speech"):
        for requirement in extras[extra]:
            package = requirement.split("[")[0].split("=")[0].split(">")[0].split("<")[0].strip()
            if package != "kinomill-server":
                found[MODULES.get(package, package)] = extra

    assert found == EXTRAS


@pytest.mark.parametrize("name", ["tests.nothing", None])
def test_a_module_of_no_extra_is_another_error(name):
    assert extra_missing("m", ModuleNotFoundError("no", name=name)) is None
