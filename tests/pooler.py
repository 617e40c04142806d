"""Tests through a pooler need Debian's PgBouncer: `apt-get install pgbouncer`."""

from __future__ import annotations

import pytest

from bench.service.pgbouncer import PROGRAM

needs_pgbouncer = pytest.mark.skipif(
    PROGRAM is None, reason="PgBouncer is not installed: apt-get install pgbouncer"
)
