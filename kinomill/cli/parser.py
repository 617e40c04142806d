"""Arguments of the commands that call a server.

argparse is imported in 17 ms where Typer takes 75 (CPU time, Python 3.11, `python -X importtime`).
"""

from __future__ import annotations

import os
from argparse import ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any, Final, NoReturn

if TYPE_CHECKING:
    from argparse import Namespace

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class Parser(ArgumentParser):
    """The parser of one command. A wrong argument ends it with exit code 2."""

    def __init__(self, name: str, summary: str) -> None:
        super().__init__(
            prog=f"kinomill {name}",
            description=summary,
            formatter_class=RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def explain(self, text: str) -> None:
        """Add paragraphs below the summary."""
        self.description = f"{self.description}\n\n{dedent(text).strip()}"

    def error(self, message: str) -> NoReturn:
        """Print what is wrong with the arguments."""
        self.exit(2, f"kinomill: {message}; see {self.prog} --help\n")

    def add_json(self) -> None:
        """Add `--json`."""
        self.add_argument("--json", action="store_true", help="Print JSON, for programs.")

    def add_idempotency_key(self, text: str = "The same key always gives the same job.") -> None:
        """Add `--idempotency-key`."""
        self.add_argument("--idempotency-key", metavar="KEY", type=idempotency_key, help=text)

    def add_job(self, **options: Any) -> None:
        """Add the argument for the id of a job."""
        self.add_argument("job", metavar="JOB", help="Id of a job: job_…", **options)


def function_name(command: str) -> str:
    """The part of a function's name that stands for a command."""
    return command.replace("-", "_")


def parse(arguments: list[str], summary: str, definitions: Any) -> Namespace:
    """Parse a command line; the function `add_NAME` of the definitions adds its arguments."""
    name, *rest = arguments
    parser = Parser(name, summary)
    getattr(definitions, f"add_{function_name(name)}")(parser)
    return parser.parse_intermixed_args(rest)


def run_command(arguments: list[str], summary: str, definitions: Any, functions: Any) -> int:
    """Parse a command line and call the function `run_NAME`; returns the exit code."""
    code: int = getattr(functions, f"run_{function_name(arguments[0])}")(
        parse(arguments, summary, definitions)
    )
    return code


def label(text: str) -> tuple[str, str]:
    """Parse NAME=VALUE."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def expanded(text: str) -> str:
    """A path with `~` as the home folder: shells leave it as it is in `--out=~/video.mp4`."""
    return os.path.expanduser(text)  # noqa: PTH111 - a `/` at its end has a meaning


def path(text: str | Path) -> Path:
    """The same as a `Path`."""
    return Path(expanded(str(text)))


def idempotency_key(text: str) -> str:
    """Check a key: an empty one, such as that of an unset variable, would protect nothing."""
    if not (1 <= len(text) <= 255 and text.isascii() and text.isprintable()):
        raise ArgumentTypeError(f"{text!r} is not a key: write 1 to 255 printable ASCII characters")
    return text


def duration_seconds(text: str) -> int:
    """Parse seconds, or a number with a unit: 90m, 12h, 7d."""
    unit = _UNITS.get(text[-1:])
    digits = text if unit is None else text[:-1]
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 12):
        raise ArgumentTypeError(f"{text!r} is not a time: write seconds, or e.g. 90m, 12h, 7d")
    return int(digits) * (unit or 1)


def whole_number(least: int, most: int | None = None) -> Any:
    """Return a parser for whole numbers in a range."""

    def parse_number(text: str) -> int:
        number = int(text) if text.isascii() and text.isdecimal() and len(text) < 12 else -1
        if number < least or (most is not None and number > most):
            limit = f"{least} or more" if most is None else f"{least} to {most}"
            raise ArgumentTypeError(f"{text!r} is not a whole number, {limit}")
        return number

    return parse_number
