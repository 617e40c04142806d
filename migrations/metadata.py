"""Metadata of all tables. A table is registered when the module that defines it is imported."""

from __future__ import annotations

import accounts.tables
import jobs.attempt_logs.tables
import jobs.batches.tables
import jobs.control.tables
import jobs.metrics.tables
import jobs.shares.tables
import jobs.tables
import jobs.usage.tables
import jobs.webhooks.tables
from runtime.tables import Base

TABLE_MODULES = (
    accounts.tables,
    jobs.tables,
    jobs.attempt_logs.tables,
    jobs.batches.tables,
    jobs.control.tables,
    jobs.metrics.tables,
    jobs.shares.tables,
    jobs.usage.tables,
    jobs.webhooks.tables,
)
METADATA = Base.metadata
