"""Text files that people write are lines: each ends with a newline, also the last one."""

from __future__ import annotations

from tests.structure.sources import ROOT, text, tracked


def test_each_text_file_ends_with_one_newline():
    left_out = ("vendor", "golden")  # as others publish them, and what a program wrote
    files = [path for path in tracked() if not {*left_out} & {*path.relative_to(ROOT).parts}]
    unfinished = [
        str(path.relative_to(ROOT))
        for path in files
        if (content := text(path)) and (not content.endswith("\n") or content.endswith("\n\n"))
    ]

    assert unfinished == []
