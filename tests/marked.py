"""A pytest plugin that leaves out files without a slow test or one of faults: `make faults`.

To import all the others takes each process longer than many of these tests.
"""

from __future__ import annotations

import re
from pathlib import Path

MARK = re.compile(r"\b(mark\.|add_marker\(\")(faults|slow)\b")
ALL_MARKED = Path(__file__).parent / "faults"


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave out test files that name neither mark."""
    is_test = collection_path.match("test_*.py") and not collection_path.is_relative_to(ALL_MARKED)
    return (is_test and not MARK.search(collection_path.read_text())) or None
