"""Folders of tests that pytest's own cannot be: servers of another user enter them."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def temporary_folder(name, *, below=None):
    """A folder that every user can enter; it is deleted also when what needs it does not start."""
    prefix = f"kinomill-{name}-"
    with tempfile.TemporaryDirectory(
        prefix=prefix, dir=below, ignore_cleanup_errors=True
    ) as folder:
        path = Path(folder)
        path.chmod(0o711)
        yield path
