"""The metadata of every table: a table counts only once the module that defines it is imported."""

from __future__ import annotations

import accounts.tables
import jobs.tables
from runtime.tables import Base

TABLE_MODULES = (accounts.tables, jobs.tables)
METADATA = Base.metadata
