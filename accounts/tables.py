"""Tables of API keys, and of what operators did."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Identity, text
from sqlalchemy.orm import Mapped, mapped_column

from runtime.tables import Base


class ApiKey(Base):
    """An API key of an account. Only its digest is stored; the key itself is shown once."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(primary_key=True)  #: `key_` and 32 hex digits
    account: Mapped[str]  #: the account whose jobs the key gives access to
    name: Mapped[str]  #: the operator's description of the key
    prefix: Mapped[str] = mapped_column(
        unique=True
    )  #: the first characters of the key, to look up its row
    digest: Mapped[str]  #: SHA-256 of the whole key, in hex
    scopes: Mapped[list[str]]  #: values of `accounts.api_keys.Scope`
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    revoked_at: Mapped[datetime | None]  #: None: the key is valid


class AuditEntry(Base):
    """An act of an operator, or a change of a key. Append-only: a trigger refuses changes."""

    __tablename__ = "audit_log"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    actor: Mapped[str]  #: account of the key that was used; `os:NAME` at a command line
    key_id: Mapped[str | None]  #: id of that key; None at a command line, or without keys
    act: Mapped[str]  #: e.g. `queue.pause`
    subject: Mapped[str]  #: the model, worker, account, job or key
    details: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
