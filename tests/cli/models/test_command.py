"""`kinomill models` without a command, and its help."""

from __future__ import annotations

from models import catalog
from tests.api.conftest import make_settings, server, store

__all__ = ["make_settings", "server", "store"]


def test_without_a_command_the_models_of_the_server_are_listed(models, server):
    result = models(KINOMILL_URL=server)

    assert result.code == 0
    assert all(name in result.out for name in catalog.CARDS)
    assert "image, video, audio and" in result.out
    assert "(not accepted)" in result.out


def test_without_a_server_it_says_how_to_start_one(models):
    result = models(KINOMILL_URL="http://127.0.0.1:9")

    assert result.code == 1
    assert "set KINOMILL_URL" in result.err


def test_help_lists_every_command_with_a_description(models):
    result = models("--help").out

    for command in (
        "list",
        "show",
        "pull",
        "verify",
        "push",
        "prune",
        "lock",
        "convert",
        "prefetch",
    ):
        assert f"│ {command} " in result
