"""Options that several `kinomill models` commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.models.settings import ModelsSettings
from kinomill.cli.parser import path

if TYPE_CHECKING:
    from weights.trust import Trust

_NAME_HELP = (
    "A model name from `kinomill models list`, the path of a weights.toml, or a card of your own "
    "as package.module:CARD."
)

Name = Annotated[str, typer.Argument(metavar="NAME", help=_NAME_HELP, show_default=False)]
Names = Annotated[
    list[str] | None, typer.Argument(metavar="NAME...", help=_NAME_HELP, show_default=False)
]
Profile = Annotated[
    str | None,
    typer.Option(
        help="The profile of the model, i.e. which set of its files. Default: the one in "
        "KINOMILL_WEIGHTS_PROFILES, else the model's default. `kinomill models show NAME` lists "
        "them.",
        show_default=False,
    ),
]
OnlyProfile = Annotated[
    str | None, typer.Option("--profile", help="Show only this profile.", show_default=False)
]
Volume = Annotated[
    Path | None,
    typer.Option(
        help="The folder of the weights. Default: KINOMILL_WEIGHTS, else "
        "~/.local/share/kinomill/weights.",
        show_default=False,
        parser=path,
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print JSON to stdout; progress goes to stderr.")
]


def settings(volume: Path | None, *, trust: Trust | None = None) -> ModelsSettings:
    """Return the settings of the environment, overridden by command-line options."""
    given: dict[str, Any] = {"weights": volume, "weights_trust": trust}
    return ModelsSettings(**{name: value for name, value in given.items() if value is not None})
