"""Help of the commands that Typer runs: its paragraphs keep their line breaks."""

from __future__ import annotations

import inspect
from importlib import import_module

import pytest

from cli.app import typer_commands
from cli.models.command import ModelsGroup

WIDTH = 78
"""Characters of a line of help in a terminal of 80 columns."""


def functions(app):
    """Every command of an app and of its groups."""
    for command in app.registered_commands:
        yield command.callback
    for group in app.registered_groups:
        yield from functions(group.typer_instance)


def named(path):
    module, _, name = path.partition(":")
    return getattr(import_module(module), name)


COMMANDS = [*functions(typer_commands()), *map(named, ModelsGroup.functions.values())]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda one: f"{one.__module__}.{one.__name__}")
def test_no_line_of_help_wraps_in_a_terminal_of_80_columns(command):
    _summary, *paragraphs = inspect.getdoc(command).split("\n\n")

    lines = [line for one in paragraphs for line in one.splitlines()]

    assert [line for line in lines if len(line) > WIDTH] == []
