"""The maintenance program: its settings, its threads, its loop."""

from __future__ import annotations

import signal
import sys
from datetime import timedelta

from pydantic import ValidationError

from jobs.queue.admission import Limits
from jobs.queue.broker import Broker
from jobs.queue.end_hints import EndHints
from maintenance.loop import MaintenanceLoop
from maintenance.periodic import PeriodicThread
from maintenance.row_retention import RowRetention
from maintenance.settings import MaintenanceSettings
from maintenance.storage_cleanup import StorageCleaner
from maintenance.webhook_sender import WebhookSender
from migrations.revisions import UnfitDatabase, check_schema
from runtime.config.errors import describe_errors
from runtime.database import create_database_engine, create_session_factory
from runtime.logs.program import start_logging
from runtime.optional_imports import import_redis
from runtime.postgres.connections import MAINTENANCE
from runtime.settings import warn_of_unknown_settings
from runtime.traces import tracing


def main() -> None:
    """Run maintenance until SIGTERM or SIGINT. Exits with a message if settings are invalid."""
    import_redis()
    try:
        settings = MaintenanceSettings()
    except ValidationError as error:
        sys.exit(f"kinomill: {describe_errors(error)}")
    tracing.exit_if_unavailable("kinomill maintenance")
    start_logging(settings)
    warn_of_unknown_settings()
    tracing.start("kinomill-maintenance")
    run(settings)
    tracing.stop()


def run(settings: MaintenanceSettings) -> None:
    """Run the loop in this thread, and storage cleanup and webhooks in threads of their own."""
    engine = create_database_engine(
        settings.database_url.get_secret_value(),
        MAINTENANCE,
        pooler=settings.database_pooler,
        program="maintenance",
    )
    try:
        check_schema(engine)
    except UnfitDatabase as error:
        sys.exit(f"kinomill maintenance: {error}")
    sessions = create_session_factory(engine)
    redis_url = settings.redis_url.get_secret_value()
    broker, hints = Broker(redis_url), EndHints(redis_url)
    cleaner = StorageCleaner.open(settings, sessions)
    tasks = cleaner.periodic_tasks(
        expiry_period=settings.expiry_period, orphan_period=settings.orphan_period
    )
    rows = RowRetention(
        sessions,
        None if settings.keep_jobs_days is None else timedelta(days=settings.keep_jobs_days),
        timedelta(days=settings.keep_audit_days),
        cleaner.stopping,
    )
    tasks += rows.periodic_tasks()
    sender = WebhookSender.open(settings, sessions, cleaner.stopping)
    threads = [PeriodicThread(tasks, cleaner.stopping), *sender.threads()]
    loop = MaintenanceLoop(
        sessions,
        broker,
        settings.max_worker_losses,
        heartbeat_file=settings.heartbeat_file,
        limits=Limits.from_settings(settings),
        hints=hints,
    )
    signal.signal(signal.SIGTERM, loop.stop)
    signal.signal(signal.SIGINT, loop.stop)
    for thread in threads:
        thread.start()
    loop.run()
    for thread in threads:
        thread.stop()
    broker.close()
    hints.close()
    engine.dispose()
