"""No test may leave the process with another scheduling policy: it would starve the machine."""

from __future__ import annotations

from tests.structure.sources import ROOT, tracked

ENCODER = f'"{"lib"}svtav1"'


def test_av1_is_encoded_by_the_helper_that_gives_the_priority_back():
    users = {
        path.relative_to(ROOT).as_posix()
        for path in tracked()
        if path.suffix == ".py" and ENCODER in path.read_text()
    }
    assert users
    assert [name for name in users if "av1_file(" not in (ROOT / name).read_text()] == []
