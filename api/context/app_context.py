"""Everything that routes share: created when the app starts, closed when it stops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from api.context.file_ids import FileIds
from api.context.model_registry import ModelRegistry
from api.context.queue_depth import QueueDepthCache
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

POOL_SIZE = 10
"""Database connections that one process keeps open."""


@dataclass(frozen=True)
class AppContext:
    """Settings, database, broker, object storage, limits, and the registry of models."""

    settings: ApiSettings
    engine: Engine
    sessions: SessionFactory
    broker: Broker
    publisher: Publisher
    storage: Storage
    url_policy: UrlPolicy
    models: ModelRegistry
    file_ids: FileIds
    limits: Limits
    queue_depth: QueueDepthCache

    @classmethod
    def open(cls, settings: ApiSettings) -> Self:
        """Create everything. Connections are opened by the first request, not here."""
        engine = create_database_engine(
            settings.database_url.get_secret_value(), pool_size=POOL_SIZE
        )
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
            url_policy=UrlPolicy.from_settings(settings),
            models=ModelRegistry(catalog.select_cards(settings.models), settings.accept_licenses),
            file_ids=FileIds(secret),
            limits=_limits(settings),
            queue_depth=QueueDepthCache(settings.max_queue_length),
        )

    def close(self) -> None:
        """Publish the messages still pending, then close all connections."""
        self.publisher.stop()
        self.broker.close()
        self.engine.dispose()


def _limits(settings: ApiSettings) -> Limits:
    return Limits(
        active_per_account=settings.max_active_per_account,
        queue_length=settings.max_queue_length,
        queue_wait=settings.max_queue_seconds,
    )
