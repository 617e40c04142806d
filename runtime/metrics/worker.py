"""The metrics that a worker answers at `/metrics` of its health port, beside those of its process.

No label names a job, an account or a prompt.
"""

from __future__ import annotations

from typing import Final

from runtime.metrics import volumes
from runtime.metrics.metric import Metric, counter, gauge, histogram

WORKER_INFO: Final = gauge(
    "kinomill_worker_info",
    "1, with the worker's name, its version, its GPU and the GPU's driver; empty without a GPU.",
    "worker",
    "version",
    "gpu",
    "driver",
)
WORKER_STATE: Final = gauge(
    "kinomill_worker_state",
    "1 for the state of the worker, 0 for the others: preparing, ready, failed (it loads none "
    "of its models), draining, drained.",
    "state",
)
WORKER_BUSY: Final = gauge("kinomill_worker_busy", "1 while the worker runs a job.")
EVICTIONS: Final = counter(
    "kinomill_model_evictions_total", "Times that loaded models made room for another one."
)
DROPPED_MESSAGES: Final = counter(
    "kinomill_dropped_messages_total", "Messages of the broker that were forged or broken."
)
WEIGHTS_BYTES: Final = counter(
    "kinomill_weights_bytes_total", "Bytes of weights that were downloaded.", "model"
)
WEIGHTS_SECONDS: Final = histogram(
    "kinomill_weights_seconds", "Time of the downloads of weights that succeeded.", "model"
)
COLD_START: Final = gauge(
    "kinomill_cold_start_seconds",
    "Time that the last cold start took in a phase; no model for the start of a process.",
    "phase",
    "model",
)
GPU_MEMORY_USED: Final = gauge(
    "kinomill_gpu_memory_used_bytes", "Memory in use on a GPU, by all processes.", "gpu"
)
GPU_MEMORY_SIZE: Final = gauge(
    "kinomill_gpu_memory_size_bytes", "Memory that a GPU has in all.", "gpu"
)
GPU_UTILIZATION: Final = gauge(
    "kinomill_gpu_utilization_ratio",
    "Share of the last moments in which a kernel ran on a GPU, from 0 to 1.",
    "gpu",
)
GPU_MEMORY_PEAK: Final = gauge(
    "kinomill_gpu_memory_peak_bytes",
    "Most GPU memory that torch reserved in an attempt since the worker's start.",
    "model",
)
METRICS: Final = (
    *(value for value in globals().values() if isinstance(value, Metric)),
    volumes.VOLUME_FREE,
    volumes.VOLUME_SIZE,
)
"""All of them, in this order."""
