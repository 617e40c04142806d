"""The commands that the server adds to `kinomill`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kinomill.cli.command_set import Command, CommandSet

if TYPE_CHECKING:
    import typer

_SERVE: Final = "cli.serve"


def run(arguments: list[str]) -> int:
    """Run a command line. A program of a deployment starts without Typer: that takes 0.1 s."""
    command = COMMANDS.commands[arguments[0]]
    if command.module == _SERVE:
        from cli import serve
        from kinomill.cli.parser import run_command

        return run_command(arguments, command.summary, serve, serve)
    from cli.typer_app import build_app

    build_app([command.module])(prog_name="kinomill")
    return 0


def explain(error: Exception) -> str | None:
    """Message for an error of the weights, or for settings that are missing or wrong."""
    from weights.errors import WeightsError

    if isinstance(error, WeightsError):
        return str(error)
    if isinstance(error, ValueError):
        from pydantic import ValidationError

        from runtime.config.errors import describe_errors

        return describe_errors(error) if isinstance(error, ValidationError) else None
    return None


COMMANDS: Final = CommandSet(
    "Server",
    {
        "up": Command("cli.up", "Start everything on this machine; Ctrl-C stops it."),
        "down": Command("cli.up", "Stop everything that `up` started, also after a crash."),
        "demo": Command(
            "cli.demo", "Make a photo speak: start, submit a job, save the video, stop."
        ),
        "trace-demo": Command(
            "cli.traces.command", "Show the trace of one job, from its submission to its webhook."
        ),
        "models": Command("cli.models.command", "Pull, check, convert and list model weights."),
        "top": Command("cli.top.command", "Show queues, workers and running jobs in a terminal."),
        "doctor": Command("cli.doctor.command", "Find problems of an installation."),
        "api": Command(_SERVE, "Serve the HTTP API."),
        "worker": Command(_SERVE, "Run a worker: one job at a time, the model kept warm."),
        "maintenance": Command(_SERVE, "Recover lost jobs, send webhooks, delete expired data."),
        "flower": Command(_SERVE, "Show workers and tasks in a browser."),
        "migrate": Command(_SERVE, "Upgrade the database to the newest schema."),
        "keys": Command("cli.keys", "Create, list and revoke API keys."),
    },
    run,
    explain,
)


def typer_commands() -> typer.Typer:
    """Every command that Typer runs, as one app."""
    from cli.typer_app import build_app

    modules = dict.fromkeys(COMMANDS.modules.values())
    return build_app(module for module in modules if module != _SERVE)
