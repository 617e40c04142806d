"""A group imports the command that is run; its help and its suggestions know all."""

from __future__ import annotations

from typer.testing import CliRunner

from cli.models.command import ModelsGroup
from cli.typer_app import build_app


def run(*words):
    return CliRunner().invoke(build_app(["cli.models.command"]), ["models", *words])


def test_help_lists_each_command_with_its_summary():
    shown = run("--help").output

    for name in ModelsGroup.functions:
        assert f" {name} " in shown
    assert "Show a model's files" in shown


def test_a_command_has_its_own_help():
    assert "Usage: kinomill models pull [OPTIONS]" in run("pull", "--help").output


def test_a_wrong_name_is_a_usage_error_with_the_nearest_one():
    shown = run("verifyy")

    assert shown.exit_code == 2
    assert "Did you mean 'verify'?" in shown.output
