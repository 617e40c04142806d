"""Reads totals as a scrape of the API does."""

from __future__ import annotations

import asyncio

from jobs.metrics.totals import read_totals
from runtime.async_database import AsyncConnection


def totals(sessions):
    """All totals of this moment."""
    url = sessions.kw["bind"].url.render_as_string(hide_password=False)

    async def read():
        connection = AsyncConnection(url)
        try:
            return await connection.run(read_totals)
        finally:
            await connection.close()

    return asyncio.run(read())


def counts(sessions, metric):
    """How often each label of a metric was counted or observed."""
    found = {}
    for row in totals(sessions):
        if row.name == metric.name:
            found[row.label] = found.get(row.label, 0) + row.number
    return found
