"""The table of API keys."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Mapped, mapped_column

from runtime.tables import Base


class ApiKey(Base):
    """A key of an account. Only its digest is kept; the key itself was shown once."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(primary_key=True)  #: `key_` and 32 hex digits
    account: Mapped[str]  #: whose jobs the holder sees
    name: Mapped[str]  #: the operator's words for it
    prefix: Mapped[str] = mapped_column(unique=True)  #: its first characters, to find it by
    digest: Mapped[str]  #: SHA-256 of the whole key, in hex
    scopes: Mapped[list[str]]  #: of `accounts.api_keys.Scope`
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    revoked_at: Mapped[datetime | None]
