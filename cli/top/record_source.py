"""Overviews of the record of this machine's installation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from cli.database_fault import fault_of
from cli.doctor.settings_check import limits
from cli.errors import StackError
from jobs.overview.alerts import alerts
from jobs.overview.read import read_overview
from jobs.queue.broker import Broker, BrokerUnavailable
from runtime.database import create_database_engine, create_session_factory
from runtime.postgres.connections import COMMAND

if TYPE_CHECKING:
    from cli.doctor.target import Target
    from jobs.overview.overview import Overview
    from jobs.queue.admission import Limits
    from runtime.database import SessionFactory


@dataclass
class RecordSource:
    """The database, and the broker if its address is known."""

    name: str
    sessions: SessionFactory
    broker: Broker | None
    limits: Limits | None

    @classmethod
    def open(cls, target: Target) -> RecordSource:
        """Open the connections of an installation that has a database."""
        engine = create_database_engine(target.database_url or "", COMMAND, pooler=target.pooler)
        broker = None if target.redis_url is None else Broker(target.redis_url)
        name = engine.url.render_as_string(hide_password=True).partition("?")[0]
        return cls(name, create_session_factory(engine), broker, limits(target))

    def read(self) -> Overview:
        """Read one. Raises `StackError`."""
        try:
            with self.sessions() as session:
                found = read_overview(session, self.limits)
        except DBAPIError as error:
            raise StackError(str(fault_of(error))) from error
        except SQLAlchemyError as error:
            raise StackError(f"the database cannot be read: {error}") from error
        if self.broker is not None:
            found.broker = _state(self.broker)
        found.alerts = alerts(found)
        return found

    def close(self) -> None:
        """Close the connections."""
        self.sessions.kw["bind"].dispose()
        if self.broker is not None:
            self.broker.close()


def _state(broker: Broker) -> Literal["ok", "unavailable"]:
    try:
        broker.check()
    except BrokerUnavailable:
        return "unavailable"
    return "ok"
