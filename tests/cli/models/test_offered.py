"""`kinomill models` alone: what the server takes jobs for, as before there were weights."""

from __future__ import annotations

from models import catalog
from tests.api.conftest import make_settings, server, store

__all__ = ["make_settings", "server", "store"]


def test_the_models_of_the_server_are_listed(models, server):
    shown = models(KINOMILL_URL=server)

    assert shown.code == 0
    assert all(name in shown.out for name in catalog.CARDS)
    assert "image, video, audio and" in shown.out
    assert "(not accepted)" in shown.out


def test_without_a_server_it_says_how_to_start_one(models):
    shown = models(KINOMILL_URL="http://127.0.0.1:9")

    assert shown.code == 1
    assert "kinomill up" in shown.err


def test_help_names_every_command_and_what_it_does(models):
    shown = models("--help").out

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
        assert f"│ {command} " in shown
