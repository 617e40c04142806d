"""Models do not import each other, and shared code imports no model."""

from __future__ import annotations

from pathlib import Path

import grimp
import pytest

import models

PACKAGE = Path(models.__file__).parent
SHARED_WITH_CARD = {"models.inspyrenet"}
"""The code of several models that lies in the folder of one of them."""
MODELS = sorted(
    {f"models.{file.parent.name}" for file in PACKAGE.glob("*/card.py")} - SHARED_WITH_CARD
)
SHARED = sorted(
    f"models.{file.parent.name}"
    for file in PACKAGE.glob("*/__init__.py")
    if not file.with_name("card.py").exists() or f"models.{file.parent.name}" in SHARED_WITH_CARD
)


@pytest.fixture(scope="module")
def graph():
    return grimp.build_graph("models")


def imports(graph, importer, imported):
    """The shortest chain of imports between two packages; None if there is none."""
    chains = graph.find_shortest_chains(importer, imported, as_packages=True)
    return min(chains, key=len, default=None)


@pytest.mark.parametrize("model", MODELS)
def test_a_model_imports_no_other_model(graph, model):
    others = [name for name in MODELS if name != model]

    assert {other: imports(graph, model, other) for other in others} == dict.fromkeys(others)


@pytest.mark.parametrize("package", SHARED)
def test_shared_code_imports_no_model(graph, package):
    assert {model: imports(graph, package, model) for model in MODELS} == dict.fromkeys(MODELS)


def test_the_packages_of_models_have_no_import_circle(graph):
    breakers = graph.nominate_cycle_breakers("models")

    assert not breakers
