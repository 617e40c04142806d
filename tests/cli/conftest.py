"""Commands that need an API talk to a real one: that which the tests of the API start."""

from __future__ import annotations

from tests.api.conftest import make_settings, server, store

__all__ = ["make_settings", "server", "store"]
