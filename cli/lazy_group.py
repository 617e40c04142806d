"""A group of commands of which only the one that is run is imported."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

import typer
from typer.core import TyperGroup

from runtime.gc_paused import gc_paused

if TYPE_CHECKING:
    from collections.abc import Mapping


class LazyGroup(TyperGroup):
    """A group whose commands are the names of functions. Its help imports all of them."""

    functions: ClassVar[Mapping[str, str]]
    """Name of a command -> `module:function`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        names: dict[str, Any] = dict.fromkeys(self.functions)
        self.commands = names  # for "did you mean"

    def list_commands(self, ctx: Any) -> list[str]:
        """The names, as help lists them."""
        return list(self.functions)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import a command. None: there is none of this name."""
        path = self.functions.get(cmd_name)
        if path is None:
            return None
        module, _, function = path.partition(":")
        alone = typer.Typer(rich_markup_mode="rich", add_completion=False)
        with gc_paused():
            command = getattr(import_module(module), function)
        alone.command(cmd_name)(command)
        return typer.main.get_command(alone)
