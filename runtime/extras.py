"""How the extras of the server are installed; for messages about one that is missing."""

from __future__ import annotations


def install_command(extra: str) -> str:
    """The command that installs an extra of the server.

    Both distributions are installed from the checkout: on an index, anybody may own their names.
    """
    return f"in a checkout, run: pip install -c constraints.txt -e ./kinomill -e '.[{extra}]'"
