"""Metadata of all tables. A table is registered when the module that defines it is imported."""

from __future__ import annotations

import accounts.tables
import jobs.tables
from runtime.tables import Base

TABLE_MODULES = (accounts.tables, jobs.tables)
METADATA = Base.metadata
