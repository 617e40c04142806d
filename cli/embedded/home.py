"""The data folder of `kinomill up`, as commands name it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.embedded.data_dir import default_home
from kinomill.cli.parser import path

if TYPE_CHECKING:
    from cli.settings import CliSettings

HomeOption = Annotated[
    Path | None,
    typer.Option(
        help="Data folder of `kinomill up`. Default: KINOMILL_HOME, else that of this user.",
        parser=path,
        show_default=False,
    ),
]


def home_folder(settings: CliSettings, given: Path | None = None, name: str = "default") -> Path:
    """The folder that a command works on: `--home`, KINOMILL_HOME, else `name` of this user."""
    home = given or settings.home or default_home(name, xdg_data_home=settings.xdg_data_home)
    return home.absolute()
