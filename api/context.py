"""What the API's routes work with: made once when the app starts, closed when it stops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from api.files.ids import FileIds
from api.fleet.queue_depth import Gauge
from api.models.registry import Offer
from jobs.queue.admission import Limits
from jobs.queue.broker import Broker
from jobs.queue.publisher import Publisher
from models import catalog
from runtime.database import create_database_engine, create_session_factory
from storage.factory import storage_from_uri
from storage.web.url_policy import UrlPolicy

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from api.settings import ApiSettings
    from runtime.database import SessionFactory
    from storage.base import Storage


@dataclass(frozen=True)
class Shop:
    """Settings, record, broker, store, rules for inputs and limits, and the models on offer."""

    settings: ApiSettings
    engine: Engine
    sessions: SessionFactory
    broker: Broker
    publisher: Publisher
    storage: Storage
    policy: UrlPolicy
    offer: Offer
    files: FileIds
    limits: Limits
    gauge: Gauge

    @classmethod
    def open(cls, settings: ApiSettings) -> Self:
        """Make all parts. Connections come with the first request, not here."""
        engine = create_database_engine(settings.database_url.get_secret_value(), pool_size=10)
        sessions = create_session_factory(engine)
        broker = Broker(settings.redis_url.get_secret_value())
        secret = settings.secret_key.get_secret_value().encode()
        return cls(
            settings=settings,
            engine=engine,
            sessions=sessions,
            broker=broker,
            publisher=Publisher(broker, sessions),
            storage=storage_from_uri(
                settings.storage, public_url=settings.public_url, secret=secret
            ),
            policy=UrlPolicy.from_settings(settings),
            offer=Offer(catalog.select_cards(settings.models), settings.accept_licenses),
            files=FileIds(secret),
            limits=_limits(settings),
            gauge=Gauge(settings.max_queue_length),
        )

    def close(self) -> None:
        """Ring what is still to be rung, and let go of all connections."""
        self.publisher.stop()
        self.broker.close()
        self.engine.dispose()


def _limits(settings: ApiSettings) -> Limits:
    return Limits(
        active_per_account=settings.max_active_per_account,
        queue_length=settings.max_queue_length,
        queue_wait=settings.max_queue_seconds,
    )
