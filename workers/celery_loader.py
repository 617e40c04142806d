"""A loader that lets Celery import our modules only from where they are installed."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from celery.loaders.app import AppLoader

if TYPE_CHECKING:
    from types import ModuleType


class InstalledLoader(AppLoader):  # type: ignore[misc]  # Celery is untyped
    """Imports the tasks as any module; Celery's own loader would try the current folder first.

    There a `storage.py` or `models.py` of the user's would hide our package, in the parent and in
    each child.
    """

    def import_from_cwd(
        self, module: str, imp: Any = None, package: str | None = None
    ) -> ModuleType:
        """Import a module, but not from the current folder."""
        return importlib.import_module(module, package)
