"""`kinomill up` in a home that it cannot use."""

from __future__ import annotations

import pytest

from tests.kinomill.cli.command import kinomill


@pytest.mark.parametrize(
    ("place", "reason"),
    [("", "Not a directory"), ("logs", "File exists"), ("owner/x", "Is a directory")],
)
def test_what_stands_in_the_way_is_named_with_the_remedy(tmp_path, place, reason):
    home = tmp_path / "home"
    in_the_way = home / place
    in_the_way.parent.mkdir(parents=True, exist_ok=True)
    in_the_way.touch()

    shown = kinomill("up", "--home", home)

    assert shown.returncode == 1
    said = " ".join(shown.stderr.split())
    assert said.startswith(f"kinomill: The embedded servers cannot use {home}: {reason} at {home}")
    assert "choose another home" in said
