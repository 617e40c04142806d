"""Everything that routes share: created when the app starts, closed when it stops."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from api.context.calls import DEADLINE_SECONDS, PROBE_SECONDS, DatabaseCalls, StorageCalls, Threads
from api.context.file_ids import FileIds
from api.context.job_changes import JobChanges
from api.context.key_cache import KeyCache
from api.context.model_registry import ModelRegistry
from api.context.queue_snapshot import QueueSnapshot
from api.context.scratch_folder import ScratchFolder
from api.context.sharing.stream_slots import StreamSlots
from api.context.sharing.turns import Turns
from api.context.sharing.upload_slots import UploadSlots
from api.context.statements import Statements
from api.sessions.cookie import SessionCookies
from jobs.queue.admission import Limits
from jobs.queue.broker import Broker, BrokerUnavailable
from jobs.queue.publisher import Publisher
from models import catalog
from runtime.database import create_database_engine, create_session_factory
from runtime.postgres.connections import API_CALLS
from storage.factory import storage_from_uri
from storage.web.url_policy import UrlPolicy

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Engine

    from api.settings import ApiSettings
    from runtime.database import SessionFactory
    from storage.base import Storage

MAX_BATCHES = 2
"""Batches that one process receives at once: each takes up to 100 MB of memory."""
COMPLETE_SECONDS = 300.0
"""How long the bytes of a large upload may take to be read and checked."""


@dataclass(frozen=True)
class AppContext:
    """Settings, database, broker, object storage, limits, and the registry of models."""

    settings: ApiSettings
    engine: Engine
    sessions: SessionFactory
    statements: Statements
    keys: KeyCache
    queues: QueueSnapshot
    job_changes: JobChanges
    broker: Broker
    publisher: Publisher
    storage: Storage
    url_policy: UrlPolicy
    models: ModelRegistry
    file_ids: FileIds
    cookies: SessionCookies
    limits: Limits
    scratch_folder: ScratchFolder
    database_calls: DatabaseCalls
    upload_slots: UploadSlots
    streams: StreamSlots
    storage_calls: StorageCalls = field(default_factory=StorageCalls)
    completions: StorageCalls = field(
        default_factory=lambda: StorageCalls(threads=2, deadline_seconds=COMPLETE_SECONDS)
    )
    """Large uploads that are read and checked: few at a time, and with their own deadline."""
    broker_calls: Threads = field(default_factory=lambda: Threads("broker", 2))
    scratch_calls: Threads = field(
        default_factory=lambda: Threads("scratch", 1, deadline_seconds=1.0)
    )
    """For checks of the scratch folder, whose disk may hang: sooner than a probe gives up."""
    closing: Threads = field(default_factory=lambda: Threads("closing", 2))
    """For files that are closed and deleted, also while object storage is not called."""
    parsing: Threads = field(default_factory=lambda: Threads("parsing", 1))
    """One thread: several would compete with the event loop for the interpreter's lock."""
    checking_rows: Threads = field(default_factory=lambda: Threads("rows", 1))
    """For rows of batches, apart from bodies of single jobs."""
    batch_slots: UploadSlots = field(
        default_factory=lambda: UploadSlots(MAX_BATCHES, what="batches")
    )
    turns: Turns = field(default_factory=Turns)
    refused: Counter[str] = field(default_factory=Counter)
    """Submissions that this process refused because a queue was full, by model."""

    @classmethod
    def open(cls, settings: ApiSettings) -> Self:
        """Create everything. Connections are opened by the first request, not here."""
        url = settings.database_url.get_secret_value()
        redis_url = settings.redis_url.get_secret_value()
        secret = settings.secret_key.get_secret_value().encode()
        pooler = settings.database_pooler
        engine = create_database_engine(url, API_CALLS, pooler=pooler, program="api")
        sessions = create_session_factory(engine)
        limits = Limits.from_settings(settings)
        statements = Statements(url, limits, pooler)
        models = ModelRegistry(catalog.select_cards(settings.models), settings.accept_licenses)
        queues = {name: card.queue for name, card in models.cards.items()}
        broker = Broker(redis_url)
        return cls(
            settings=settings,
            engine=engine,
            sessions=sessions,
            scratch_folder=ScratchFolder(settings.scratch),
            database_calls=DatabaseCalls(sessions),
            streams=StreamSlots(settings.max_streams_per_account, settings.max_streams),
            upload_slots=UploadSlots(settings.max_uploads, what="files"),
            statements=statements,
            keys=KeyCache(statements.find_key),
            queues=QueueSnapshot(statements.shared, queues, count_to=limits.queue_length),
            job_changes=JobChanges(statements.find_versions, redis_url),
            broker=broker,
            publisher=Publisher(broker),
            storage=storage_from_uri(
                settings.storage,
                public_url=settings.public_url,
                secret=secret,
                deadline_seconds=DEADLINE_SECONDS - 2,
                s3_endpoint=settings.s3_endpoint,
            ),
            url_policy=UrlPolicy.from_settings(settings),
            models=models,
            file_ids=FileIds(secret),
            cookies=_cookies(settings, secret),
            limits=limits,
        )

    async def close(self) -> None:
        """Publish the messages still pending, then close all connections."""
        await self.job_changes.close()
        await self.queues.close()
        await self.statements.close()
        self.publisher.stop()
        self.broker.close()
        for calls in (
            self.database_calls,
            self.storage_calls,
            self.broker_calls,
            self.scratch_calls,
            self.closing,
            self.parsing,
            self.checking_rows,
            self.completions,
        ):
            calls.close()
        self.scratch_folder.close()
        self.engine.dispose()

    async def broker_answers(self) -> bool:
        """Whether the broker accepts writes, and says so soon enough for a probe."""
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                await self.broker_calls.run(self.broker.check)
        except (BrokerUnavailable, TimeoutError):
            return False
        return True

    @property
    def uses_scratch(self) -> bool:
        """Whether uploads are temporary files first: those to a bucket are."""
        return self.settings.storage.startswith(("gs://", "s3://"))

    def scratch_path(self) -> Path:
        """Folder for files that a bucket gets when they are complete."""
        return self.scratch_folder.path


def _cookies(settings: ApiSettings, secret: bytes) -> SessionCookies:
    public = urlsplit(settings.public_url)
    return SessionCookies(secret, public.path.rstrip("/") or "/", public.scheme == "https")
