"""What the API's routes work with: made once when the app starts, closed when it stops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from api.offer import Offer
from jobs.database import make_engine, make_session_factory
from jobs.dispatch import Doorbell
from jobs.publisher import Publisher
from models import catalog
from storage.guard import FetchPolicy
from storage.stores import storage_from_uri

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from api.settings import ApiSettings
    from jobs.database import SessionFactory
    from storage.base import Storage


@dataclass(frozen=True)
class Shop:
    """Settings, record, broker, store, where inputs may come from, and the models on offer."""

    settings: ApiSettings
    engine: Engine
    sessions: SessionFactory
    doorbell: Doorbell
    publisher: Publisher
    storage: Storage
    policy: FetchPolicy
    offer: Offer

    @classmethod
    def open(cls, settings: ApiSettings) -> Self:
        """Make all parts. Connections come with the first request, not here."""
        engine = make_engine(settings.database_url.get_secret_value(), pool_size=10)
        sessions = make_session_factory(engine)
        doorbell = Doorbell(settings.redis_url.get_secret_value())
        storage = storage_from_uri(
            settings.storage,
            public_url=settings.public_url,
            secret=settings.secret_key.get_secret_value().encode(),
        )
        policy = FetchPolicy(
            allow_http=settings.fetch_allow_http,
            allowed_networks=settings.fetch_networks,
            image_bytes=settings.max_image_bytes,
            audio_bytes=settings.max_audio_bytes,
            video_bytes=settings.max_video_bytes,
        )
        publisher = Publisher(doorbell, sessions)
        offer = Offer(catalog.cards(settings.models), settings.accept_licenses)
        return cls(settings, engine, sessions, doorbell, publisher, storage, policy, offer)

    def close(self) -> None:
        """Ring what is still to be rung, and let go of all connections."""
        self.publisher.stop()
        self.doorbell.close()
        self.engine.dispose()
