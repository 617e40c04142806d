"""The metrics that the API answers at `/metrics`. No label names a job, an account or a prompt."""

from __future__ import annotations

from functools import partial
from typing import Final

from runtime.metrics import metric, volumes
from runtime.metrics.metric import Source, counter, gauge

_gauge = partial(gauge, source=Source.RECORD)
_counter = partial(counter, source=Source.RECORD)
_histogram = partial(metric.histogram, source=Source.RECORD)

JOBS_WAITING: Final = _gauge(
    "kinomill_jobs_waiting",
    "Queued jobs, held ones and retries included, counted up to KINOMILL_MAX_QUEUE_LENGTH.",
    "model",
    "priority",
)
JOBS_WAITING_MAX: Final = gauge(
    "kinomill_jobs_waiting_max",
    "KINOMILL_MAX_QUEUE_LENGTH: with so many waiting jobs, a model gets no more.",
)
JOBS_RUNNING: Final = _gauge("kinomill_jobs_running", "Jobs that a worker runs now.", "model")
JOBS_HELD: Final = _gauge(
    "kinomill_jobs_held",
    "Of the waiting jobs, those whose account runs as many jobs as it may.",
    "model",
)
JOBS_DEMAND: Final = _gauge(
    "kinomill_jobs_demand",
    "Jobs that need a worker, for autoscalers: running ones, and waiting ones that are neither "
    "held nor of a paused queue.",
    "model",
)
OLDEST_WAITING: Final = _gauge(
    "kinomill_oldest_waiting_seconds",
    "Age of the job that has waited longest; 0 if none waits.",
    "model",
)
ESTIMATED_WAIT: Final = _gauge(
    "kinomill_estimated_wait_seconds",
    "Estimated wait of a new job, as callers see it; absent before a job of the model succeeded.",
    "model",
    "percentile",
)
QUEUE_PAUSED: Final = _gauge(
    "kinomill_queue_paused", "1 while an operator lets no job of the model begin.", "model"
)
QUEUE_FULL: Final = _gauge(
    "kinomill_queue_full",
    "1 while new jobs of the model are refused: too many wait, or for too long.",
    "model",
)
WORKERS: Final = _gauge(
    "kinomill_workers",
    "Workers that serve the model: ready takes jobs, preparing downloads or loads, failed could "
    "not, silent sent no heartbeat for 30 s.",
    "model",
    "state",
)
WORKER_VOLUME_FREE: Final = _gauge(
    "kinomill_worker_volume_free_bytes",
    "Free bytes of a volume of a live worker, by its last heartbeat.",
    "worker",
    "volume",
)
WORKER_VOLUME_SIZE: Final = _gauge(
    "kinomill_worker_volume_size_bytes", "Size of a volume of a live worker.", "worker", "volume"
)
WORKER_GPU_MEMORY_USED: Final = _gauge(
    "kinomill_worker_gpu_memory_used_bytes",
    "Memory in use on a GPU of a live worker, by its last heartbeat.",
    "worker",
    "gpu",
)
WORKER_GPU_MEMORY_SIZE: Final = _gauge(
    "kinomill_worker_gpu_memory_size_bytes",
    "Memory that a GPU of a live worker has in all.",
    "worker",
    "gpu",
)
WEBHOOKS_PENDING: Final = _gauge(
    "kinomill_webhooks_pending", "Webhook messages that are still to be delivered, up to 100,000."
)
MAINTENANCE_SILENT: Final = _gauge(
    "kinomill_maintenance_silent_seconds",
    "Since the last heartbeat of a maintenance program; infinite if there was none in an hour.",
)

JOBS_ENDED: Final = _counter(
    "kinomill_jobs_ended_total", "Jobs that reached a final state.", "model", "outcome"
)
JOBS_FAILED: Final = _counter(
    "kinomill_jobs_failed_total", "Jobs that failed, by the code of their error.", "model", "code"
)
ATTEMPTS_LOST: Final = _counter(
    "kinomill_attempts_lost_total",
    "Attempts whose worker was lost: child_died if its parent noticed, else lease_expired.",
    "model",
    "reason",
)
WEBHOOKS_GIVEN_UP: Final = _counter(
    "kinomill_webhooks_given_up_total", "Webhook messages that are not tried again."
)
ORPHANS_SWEPT: Final = _counter(
    "kinomill_orphans_swept_total",
    "Objects that belonged to no job and were deleted by maintenance.",
    "folder",
)
MAINTENANCE_ERRORS: Final = _counter(
    "kinomill_maintenance_errors_total",
    "Acts of maintenance that failed and are tried again, by what was unavailable.",
    "cause",
)

WAIT: Final = _histogram(
    "kinomill_wait_seconds",
    "From submission to the first claim, observed when the first attempt ends.",
    "model",
    "priority",
)
RUN: Final = _histogram(
    "kinomill_run_seconds", "From the claim to the end of an attempt.", "model", "outcome"
)
PHASE: Final = _histogram(
    "kinomill_phase_seconds", "Time of an attempt in a phase that it entered.", "model", "phase"
)
STEP: Final = _histogram(
    "kinomill_step_seconds",
    "Mean time of a step, or frame, of an attempt while the model generates.",
    "model",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0),
)
CANCEL_LATENCY: Final = _histogram(
    "kinomill_cancel_latency_seconds",
    "From the request to cancel a running job to the end of its attempt.",
    "model",
    buckets=(0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0),
)
REALTIME_FACTOR: Final = _histogram(
    "kinomill_realtime_factor",
    "Time of the attempt that made a video, by the length of the video.",
    "model",
    buckets=(0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0),
)

DATABASE_UP: Final = gauge(
    "kinomill_database_up",
    "1 if the database answers this process; if not, the metrics of the record are absent.",
)
BROKER_UP: Final = gauge("kinomill_broker_up", "1 if the broker takes messages of this process.")
DATABASE_CONNECTIONS: Final = gauge(
    "kinomill_database_connections",
    "Connections of this process to the database, by pool: sessions, or statements of most "
    "requests.",
    "pool",
    "state",
)
DATABASE_CONNECTIONS_MAX: Final = gauge(
    "kinomill_database_connections_max", "How many connections a pool has at most.", "pool"
)
SUBMISSIONS_REFUSED: Final = counter(
    "kinomill_submissions_refused_total",
    "Jobs that this process refused because the queue of their model was full.",
    "model",
)
STORAGE_ERRORS: Final = counter(
    "kinomill_storage_errors_total",
    "Calls of object storage by this process that failed.",
    "error",
)
REQUEST_DURATION: Final = metric.histogram(
    "http_server_request_duration_seconds",
    "Time of requests to this process, by route and class of the status, waits and streams too.",
    "http_request_method",
    "http_route",
    "http_response_status_code",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
)
ACTIVE_REQUESTS: Final = gauge(
    "http_server_active_requests",
    "Requests to this process that are not answered yet, the scrape itself included.",
)

METRICS: Final = (
    *(value for value in globals().values() if isinstance(value, metric.Metric)),
    volumes.VOLUME_FREE,
    volumes.VOLUME_SIZE,
)
"""All of them, in this order."""
