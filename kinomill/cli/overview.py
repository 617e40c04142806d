"""What `kinomill --help` and `kinomill --version` print, without an import of any command."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from kinomill import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kinomill.cli.command_set import CommandSet

SERVER: Final = "Server"
"""Title of the commands that the server's distribution adds."""
SERVER_HINT: Final = (
    "Only the commands of the client are installed. The server adds up, down, demo, api, worker\n"
    "and more; install both from a checkout: pip install -e ./kinomill -e '.[embedded]'"
)
EXIT_CODES: Final = """\
Exit codes: 0 done; 1 the job failed, or the request was refused or impossible; 2 wrong arguments;
124 --timeout has passed; 130 Ctrl-C; 141 the reader of a pipe has gone."""


def version() -> str:
    """The version of the client; a server of another version is no problem for it."""
    return f"kinomill {__version__}"


def overview(sets: Sequence[CommandSet]) -> str:
    """All commands with their summaries."""
    width = max(len(name) for one in sets for name in one.commands)
    blocks = [
        "Usage: kinomill COMMAND [ARGUMENTS] | --help | --version",
        "Turn a picture, a clip and a voice into video: a job service that you run yourself.",
    ]
    for one in sets:
        lines = [f"  {name:{width}}  {command.summary}" for name, command in one.commands.items()]
        blocks.append("\n".join([f"{one.title}:", *lines]))
    blocks += [
        "`kinomill COMMAND --help` explains a command and its options. Commands that call a\n"
        "server use KINOMILL_URL (default http://127.0.0.1:8000) and KINOMILL_KEY.",
        EXIT_CODES,
    ]
    if not any(one.title == SERVER for one in sets):
        blocks.append(SERVER_HINT)
    return "\n\n".join(blocks)


def unknown_command(name: str, sets: Sequence[CommandSet]) -> str:
    """The message for a command that is not installed, with the nearest one that is."""
    known = [command for one in sets for command in one.commands]
    near = get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]!r}?" if near else "see kinomill --help"
    kind = "option" if name.startswith("-") else "command"
    return f"kinomill: there is no {kind} {name!r}; {hint}"
