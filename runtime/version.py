"""The version of the server; the client of the same version is `kinomill.__version__`."""

from __future__ import annotations

from typing import Final

VERSION: Final = "0.1.0"
