"""Options that several of the commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cli.models.settings import ModelsSettings

_NAME_HELP = (
    "A model of `kinomill models list`, the path of a weights.toml, or the place of a card of "
    "your own as package.module:CARD."
)

Name = Annotated[str, typer.Argument(metavar="NAME", help=_NAME_HELP, show_default=False)]
Names = Annotated[
    list[str] | None, typer.Argument(metavar="NAME...", help=_NAME_HELP, show_default=False)
]
Profile = Annotated[
    str | None,
    typer.Option(
        help="Which selection of the files; else that of KINOMILL_WEIGHTS_PROFILES, else the "
        "model's own default. `kinomill models show NAME` lists them.",
        show_default=False,
    ),
]
OnlyProfile = Annotated[
    str | None, typer.Option("--profile", help="Only this selection.", show_default=False)
]
Volume = Annotated[
    Path | None,
    typer.Option(
        help="The folder that holds the weights; else KINOMILL_WEIGHTS, else "
        "~/.local/share/kinomill/weights.",
        show_default=False,
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print JSON for programs; progress goes to stderr.")
]


def settings(volume: Path | None, *, strict: bool | None = None) -> ModelsSettings:
    """The settings of the environment, and what was typed over them."""
    typed: dict[str, Any] = {"weights": volume, "weights_strict": strict}
    return ModelsSettings(**{name: value for name, value in typed.items() if value is not None})
