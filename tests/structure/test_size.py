"""Functions, files and folders stay below their maximum size."""

from __future__ import annotations

from collections import Counter
from statistics import median, quantiles

from tests.structure.sources import ROOMS, ROOT, functions, modules

MEDIAN_LINES = 8
NINE_IN_TEN_LINES = 25
FUNCTION_LINES = 60
FILE_LINES = 400
MODULES_IN_A_FOLDER = 15


def lengths():
    return {
        f"{path.relative_to(ROOT)}:{node.name}": node.end_lineno - node.lineno + 1
        for path in modules(*ROOMS)
        for node in functions(path)
    }


def test_functions_have_a_median_of_eight_lines_and_a_90th_percentile_of_25():
    lines = list(lengths().values())

    assert median(lines) <= MEDIAN_LINES
    assert quantiles(lines, n=10)[-1] <= NINE_IN_TEN_LINES


def test_no_function_is_too_long():
    assert [name for name, lines in lengths().items() if lines > FUNCTION_LINES] == []


def test_no_file_is_longer_than_400_lines():
    long = [
        str(path.relative_to(ROOT))
        for path in modules(*ROOMS, "bench", "docker", "docs", "migrations", "tests")
        if len(path.read_text().splitlines()) > FILE_LINES
    ]

    assert long == []


def test_no_folder_has_too_many_modules():
    folders = Counter(
        str(path.parent.relative_to(ROOT))
        for path in modules(*ROOMS, "bench")
        if path.name != "__init__.py"
    )

    assert {name: count for name, count in folders.items() if count > MODULES_IN_A_FOLDER} == {}
