"""Models do not import each other, and shared code imports no model."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import grimp
import pytest

import models

PACKAGE = Path(models.__file__).parent
CARDS = {
    f"models.{file.parent.name}": import_module(f"models.{file.parent.name}.card").CARD
    for file in PACKAGE.glob("*/card.py")
}
CODE_OF = {folder: ".".join(card.runner.split(".")[:2]) for folder, card in CARDS.items()}
"""The folder of the code that runs each model, by the folder of its card."""
SHARED = sorted(
    {f"models.{file.parent.name}" for file in PACKAGE.glob("*/__init__.py")} - CODE_OF.keys()
    | {code for card, code in CODE_OF.items() if code != card}
)
"""Folders without a card, and those that also run the model of another folder."""
MODELS = sorted(CODE_OF.keys() - set(SHARED))


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


def test_the_shared_folders_are_those_that_several_models_use():
    assert {"models.wan", "models.multitalk", "models.video"} <= set(SHARED)
    assert {"models.infinitetalk", "models.wav2lip"} <= set(MODELS)
