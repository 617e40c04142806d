"""What one child of Celery's pool keeps between jobs, and how it warms up."""

from __future__ import annotations

import importlib
import os
from functools import cached_property
from typing import TYPE_CHECKING

import structlog

from jobs.queue.end_hints import EndHints
from runtime.database import create_worker_engine
from workers.shared import child_status
from workers.shared.job_events import JobEventWriter
from workers.shared.served_models import on_demand_names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Engine

    from models.spec import Card
    from storage.base import Storage
    from storage.web.url_policy import UrlPolicy
    from workers.child.model_cache import ModelCache
    from workers.child.run_job import WorkerContext
    from workers.settings import WorkerSettings

log = structlog.get_logger()


class ChildProcess:
    """Database connections, object storage and loaded models, each created when first used."""

    def __init__(self, settings: WorkerSettings, cards: Mapping[str, Card]) -> None:
        self._settings = settings
        self._cards = cards

    def context(self, worker: str) -> WorkerContext:
        """Return what a job of this worker needs."""
        from workers.child.run_job import WorkerContext

        return WorkerContext(
            name=worker,
            settings=self._settings,
            cards=self._cards,
            engine=self.engine,
            storage=self.storage,
            policy=self._policy,
            model_cache=self.model_cache,
            hints=self.hints,
            job_events=self._job_events,
        )

    @cached_property
    def engine(self) -> Engine:
        """The database connections of this process."""
        url = self._settings.database_url.get_secret_value()
        limited = self._settings.max_running_per_account is not None
        return create_worker_engine(
            url,
            transactions=limited,
            pooler=self._settings.database_pooler,
            program="worker",
        )

    @cached_property
    def _policy(self) -> UrlPolicy:
        from storage.web.url_policy import UrlPolicy

        return UrlPolicy.from_settings(self._settings)

    @cached_property
    def hints(self) -> EndHints:
        """What tells callers who wait for a job that it has ended."""
        return EndHints(self._settings.redis_url.get_secret_value())

    @cached_property
    def _job_events(self) -> JobEventWriter:
        """What tells the parent of each job."""
        return JobEventWriter(child_status.folder_of(os.getppid()))

    @cached_property
    def storage(self) -> Storage:
        """The object storage. Raises `StorageError`."""
        from storage.factory import storage_from_uri

        return storage_from_uri(
            self._settings.storage,
            public_url=self._settings.public_url,
            secret=self._settings.secret_key.get_secret_value().encode(),
            s3_endpoint=self._settings.s3_endpoint,
        )

    @cached_property
    def model_cache(self) -> ModelCache:
        """The models of this process that are loaded or being loaded."""
        from workers.child.model_cache import ModelCache
        from workers.shared.model_weights import ModelWeights

        return ModelCache(
            ModelWeights(self._settings),
            budget_bytes=self._settings.model_memory,
            status_file=child_status.for_parent(os.getppid()),
        )

    def warm_up(self) -> None:
        """Load the warm models in a thread, because Celery waits for the child's first message."""
        from workers.child.warmup import WarmUp

        cache = self.model_cache
        cache.status_file.write()
        on_demand = on_demand_names(self._settings)
        warm = tuple(card for name, card in self._cards.items() if name not in on_demand)
        WarmUp(cache, warm, limit=self._settings.warm_up_limit, then=self.prepare_first_job).start()

    def prepare_first_job(self) -> None:
        """Import and open what the first job would otherwise wait for: 0.5 s with a bucket."""
        from storage.base import StorageError

        importlib.import_module("workers.child.run_job")
        try:
            _ = self.storage
        except StorageError as error:
            log.warning("object storage unavailable, the first job tries again", error=str(error))
        self.model_cache.status_file.write()  # with the figures of this cold start
