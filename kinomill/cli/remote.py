"""The commands that call a server: their names, and how they are run."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any, Final

from kinomill.cli.command_set import Command, CommandSet

_JOBS: Final = "kinomill.cli.jobs"
_ADMIN: Final = "kinomill.cli.admin.command"
_HTTPX_COMMAND: Final = "httpx._main"


def run(arguments: list[str]) -> int:
    """Run a command line; its command is imported once the arguments are known to be valid."""
    from kinomill.cli import arguments as definitions

    return _run(arguments, REMOTE.commands[arguments[0]], definitions)


def run_batches(arguments: list[str]) -> int:
    """The same for a command about batches or webhooks."""
    from kinomill.cli.batches import arguments as definitions

    return _run(arguments, BATCHES.commands[arguments[0]], definitions)


def run_admin(arguments: list[str]) -> int:
    """The same for a command of an operator."""
    from kinomill.cli.admin import arguments as definitions

    return _run(arguments, OPERATOR.commands[arguments[0]], definitions)


def _run(arguments: list[str], command: Command, definitions: Any) -> int:
    from kinomill.cli.parser import function_name, parse

    given = parse(arguments, command.summary, definitions)
    import_httpx()
    code: int = getattr(import_module(command.module), f"run_{function_name(arguments[0])}")(given)
    return code


def import_httpx() -> None:
    """Import httpx without its own command line.

    `import httpx` tries to import that, and with it click, rich and pygments where they are
    installed: 78 ms of 246 (two cores, Python 3.11, `python -c "import httpx"`). None in
    `sys.modules` makes that import fail, as Python documents, and httpx goes on without.
    """
    if "httpx" in sys.modules:
        return
    sys.modules[_HTTPX_COMMAND] = None  # type: ignore[assignment]  # as Python documents
    try:
        import httpx  # noqa: F401 - for the modules that import it next
    finally:
        del sys.modules[_HTTPX_COMMAND]


REMOTE: Final = CommandSet(
    "Jobs",
    {
        "submit": Command("kinomill.cli.submit", "Submit a job, wait for it, save its result."),
        "remove-background": Command(
            "kinomill.cli.submit", "Cut a picture out, or put it on another background."
        ),
        "status": Command(_JOBS, "Print a job as JSON: its status, progress, result or error."),
        "watch": Command(
            "kinomill.cli.watch.command", "Show the progress of a job until it has ended."
        ),
        "wait": Command(_JOBS, "Wait until jobs have ended."),
        "download": Command(_JOBS, "Save the result of a job that has succeeded."),
        "list": Command(_JOBS, "List jobs, newest first."),
        "logs": Command(_JOBS, "Print what the attempts of a job logged."),
        "retry": Command(_JOBS, "Submit the input of a job that has ended again."),
        "share": Command(_JOBS, "Make a link with which anyone can see a job, or revoke one."),
        "cancel": Command(_JOBS, "Cancel a job that is queued or running."),
        "delete": Command(_JOBS, "Delete a job that has ended, with its inputs and its result."),
        "files": Command(
            "kinomill.cli.files.command", "Upload files once for many jobs; list, delete them."
        ),
        "backfill": Command("kinomill.cli.backfill.command", "Run a job for every row of a file."),
    },
    run,
)
BATCHES: Final = CommandSet(
    "Batches and webhooks",
    {
        "batches": Command(
            "kinomill.cli.batches.command", "Submit a file of rows at once; follow it, cancel it."
        ),
        "deliveries": Command(
            "kinomill.cli.batches.deliveries", "List deliveries of webhooks; send them again."
        ),
    },
    run_batches,
)
OPERATOR: Final = CommandSet(
    "Operator",
    {
        "queues": Command(_ADMIN, "List queues; pause, resume, purge one; run failed jobs again."),
        "workers": Command(_ADMIN, "List workers; drain one, resume it."),
        "maintenance-mode": Command(_ADMIN, "Refuse submissions for a while."),
        "limits": Command(_ADMIN, "Set quotas of accounts."),
        "accounts": Command(_ADMIN, "Erase an account: its keys, jobs, files and batches."),
        "usage": Command(_ADMIN, "Report what accounts used, by day and model."),
        "audit": Command(_ADMIN, "Print what operators did, and changes of keys."),
    },
    run_admin,
)
CLIENT_SETS: Final = (REMOTE, BATCHES, OPERATOR)
"""The commands that need no server's installation."""
