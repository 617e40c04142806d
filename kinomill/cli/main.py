"""The `kinomill` command: finds the command, and ends it with a sentence instead of a traceback."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper
from typing import TYPE_CHECKING, Final, NoReturn

from kinomill.cli.command_set import CommandSet, installed_commands
from kinomill.cli.remote import CLIENT_SETS
from kinomill.cli.signals import interrupt_when_ended
from kinomill.errors import InvalidInput, KinomillError, Unauthorized
from kinomill.settings import ClientSettings, warn_of_unknown_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kinomill.errors import FieldError

_LOGGING: Final = frozenset({"api", "worker", "maintenance", "doctor"})
"""Commands that report unknown settings themselves, in their logs or as a check."""

FAILED: Final = 1
USAGE: Final = 2
TIMED_OUT: Final = 124
INTERRUPTED: Final = 130
PIPE_CLOSED: Final = 141


def run(command_sets: Sequence[CommandSet] | None = None) -> NoReturn:
    """Run the command line, and exit with the code of the command.

    `command_sets` replaces the ones of the installed distributions.
    """
    sets = list(command_sets or ())
    _print_any_text()
    try:
        known = {name for one in CLIENT_SETS for name in one.commands}
        if command_sets is None and sys.argv[1:2] and sys.argv[1] not in known:
            sets = installed_commands()
        code = _run(sys.argv[1:], [*CLIENT_SETS, *sets])
        sys.stdout.flush()
    except KeyboardInterrupt:
        code = INTERRUPTED
        # One that came up through code from a string, as in a dataclass, is remembered by Python
        # until the next such code: `python -m` would then end by the signal, not by the code.
        exec("")  # noqa: S102
    except BrokenPipeError:
        code = _close_pipe()
    except Exception as error:
        message = _explain(error, sets)
        if message is None:
            raise
        code = _print_error(error, message)
    sys.exit(code)


def _print_any_text() -> None:
    """Print characters that the terminal's encoding lacks as escapes, as standard error does.

    Names of files may be no text at all, and some terminals know only ASCII.
    """
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _run(arguments: list[str], sets: Sequence[CommandSet]) -> int:
    first = arguments[0] if arguments else "--help"
    if first not in _LOGGING:
        warn_of_unknown_settings()
    for one in sets:
        if first in one.commands:
            if one in CLIENT_SETS:
                interrupt_when_ended()
            return one.run(arguments)
    from kinomill.cli.overview import overview, unknown_command, version

    if first in {"--version", "-V"}:
        print(version())  # noqa: T201 - the output of the command
        return 0
    if first in {"--help", "-h"}:
        print(overview(sets))  # noqa: T201 - the output of the command
        return 0 if arguments else USAGE
    print(unknown_command(first, sets), file=sys.stderr)  # noqa: T201
    return USAGE


def _explain(error: Exception, sets: Sequence[CommandSet]) -> str | None:
    if isinstance(error, Unauthorized) or isinstance(error.__cause__, Unauthorized):
        return _key_needed()
    if isinstance(error, InvalidInput) and error.code == "invalid_input" and error.errors:
        return "; ".join(_field_error(one) for one in error.errors)
    if isinstance(error, KinomillError):
        return str(error)
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return next((text for one in sets if (text := one.explain(error)) is not None), None)


def _field_error(error: FieldError) -> str:
    """A wrong field by the name that a command line uses: `fps` for `/input/fps`."""
    name = error.pointer.removeprefix("/input").removeprefix("/")
    return f"{name}: {error.message}" if name else error.message


def _key_needed() -> str:
    """What to do about a refused key, in the words of a command line."""
    if ClientSettings.from_environment().key is None:
        problem = "the server needs a key: set KINOMILL_KEY=km_…"
    else:
        problem = "the server does not accept the key in KINOMILL_KEY: it is unknown or revoked"
    return f"{problem}. Its operator creates keys with: kinomill keys create ACCOUNT"


def _print_error(error: Exception, message: str) -> int:
    from kinomill.cli.output import printable
    from kinomill.errors import UsageError, WaitTimeout

    if sys.stderr.isatty():
        message = printable(message, keep="\n\t")
    red, plain = ("\x1b[31m", "\x1b[0m") if sys.stderr.isatty() else ("", "")
    print(f"{red}kinomill:{plain} {message}", file=sys.stderr)  # noqa: T201
    if isinstance(error, UsageError):
        return USAGE
    return TIMED_OUT if isinstance(error, WaitTimeout) else FAILED


def _close_pipe() -> int:
    """Nobody reads the output any more, e.g. after `| head`: end without a word, as others do."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return PIPE_CLOSED


if __name__ == "__main__":
    run()
