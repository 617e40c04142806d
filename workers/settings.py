"""Worker settings, read from environment variables."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING, Self

from pydantic import ByteSize, Field, model_validator

from models.latentsync.settings import LatentSyncSettings
from models.settings import (
    EncoderSettings,
    FaceSettings,
    GpuSettings,
    MattingSettings,
    NumberFormatSettings,
)
from models.wan.settings import WanSettings
from runtime.config.base import SettingsBase
from runtime.config.types import Duration, File, Gpus, Host, PodName
from runtime.settings import Settings
from weights.settings import WeightsSettings
from weights.volume.volume import Volume
from workers.fault_injection import Point

if TYPE_CHECKING:
    from collections.abc import Mapping


CLOUD_RUN_GRACE = timedelta(seconds=10)
_CLOUD_RUN = ("K_SERVICE", "CLOUD_RUN_WORKER_POOL", "CLOUD_RUN_JOB")


class StopSettings(SettingsBase):
    """How long a worker may take to stop, and what its platform allows."""

    drain_window: Duration = timedelta(seconds=45)
    """After SIGTERM a worker finishes its job within this time, or gives it back to the queue.
    Set it 15 s below your platform's kill timeout, or to half of a timeout of 10 to 30 s: the
    child is killed 10 s after the window, or after another quarter of it if that is sooner."""
    stop_grace: Duration | None = Field(default=None, examples=["60"])
    """How long the platform waits between SIGTERM and SIGKILL, for `kinomill doctor`. Unset: 10 s
    on Cloud Run, else unknown."""

    @property
    def platform_grace(self) -> timedelta | None:
        """What the platform allows. None: unknown."""
        if self.stop_grace is None and any(name in os.environ for name in _CLOUD_RUN):
            return CLOUD_RUN_GRACE
        return self.stop_grace


class WorkerSettings(Settings, WeightsSettings, StopSettings, GpuSettings):
    """Settings of a worker and of its weights volume."""

    models: tuple[str, ...] = Field(
        default=("preview-lipsync", "preview-i2v", "preview-cutout", "preview-talking"),
        min_length=1,
    )
    """Names of the models that this worker serves. A card of your own is named
    `package.module:CARD`; its package must be installed, or its folder be on PYTHONPATH."""
    on_demand: tuple[str, ...] = Field(default=(), examples=[["wan2.2-i2v"]])
    """Models of `KINOMILL_MODELS` that the first job for them pulls and loads.
    The others are warm: pulled, loaded and run once before the worker takes jobs for them."""
    model_memory: ByteSize | None = Field(default=None, ge=1_000_000, examples=["24GB"])
    """Memory budget of all loaded models together, e.g. `24GB`. The least recently used model is
    evicted to make room. Unset: one model with weights at a time."""
    warm_up_limit: Duration = timedelta(minutes=5)
    """A model whose warm-up run takes longer is reported as failed until the run ends."""
    pull_window: Duration = timedelta(hours=1)
    """Added to the time limit of an attempt that may have to pull its model's weights first."""

    heartbeat_interval: Duration = timedelta(seconds=1)
    """How often a running attempt renews its lease, stores progress and reads control signals."""
    cancel_grace: Duration = timedelta(seconds=30)
    """A canceled job that does not stop within this time is killed with the worker's child."""
    preview_seconds: float = Field(default=2.0, ge=0, allow_inf_nan=False)
    """Minimum time between two previews of a running job, in seconds; 0 disables previews."""
    gpus: Gpus | None = Field(default=None, examples=["all"])
    """Start one worker for each of these GPUs: `all`, a number of GPUs, or a list such as `0,1`.
    Unset: one worker."""
    exit_when_idle: Duration | None = Field(default=None, examples=[300])
    """The worker ends, with status 0, when it has had nothing to run for this long. Pulls, loads
    and warm-ups do not count as nothing. Unset: it runs until it is stopped."""
    worker_heartbeat_interval: Duration = timedelta(seconds=10)
    """How often the worker's parent sends a heartbeat and checks for stuck children."""
    visibility_timeout: Duration = timedelta(hours=12)
    """The broker redelivers a message that was not acknowledged within this time. It must exceed
    the longest time limit of the models by an hour."""

    health_port: int | None = Field(default=None, ge=0, le=65535, examples=[8080])
    """Port of the health endpoints `/livez`, `/startupz` and `/readyz`. Unset: none."""
    health_host: Host = "127.0.0.1"
    """Address of the health endpoints; `0.0.0.0` for a platform that probes from outside."""
    metrics: bool = False
    """Whether the health port also answers `/metrics`, without a key: keep it off the internet."""
    heartbeat_file: File | None = Field(default=None, examples=["/run/worker.alive"])
    """File that the worker's parent touches while it is alive; health checks read its age."""
    pod_name: PodName | None = Field(default=None, examples=["lipsync-7d9f8-x2kqp"])
    """Name of the worker's pod in Kubernetes (`metadata.name`). The worker then marks it while it
    runs a job, so that a smaller Deployment ends idle pods first. Its service account needs the
    verb `patch` of the resource `pods`. Unset: no mark."""
    fault_at: Point | None = Field(default=None, examples=["after_claim"])
    """For tests only: kill the worker's child once, when an attempt reaches this point."""

    @model_validator(mode="after")
    def _check_consistency(self) -> Self:
        if self.heartbeat_interval * 3 > self.lease_ttl:
            raise ValueError(
                "heartbeat_interval must be at most a third of lease_ttl, "
                "else a short outage loses a job"
            )
        if self.worker_heartbeat_interval > timedelta(seconds=10):
            raise ValueError(
                "worker_heartbeat_interval must be at most 10 s, else the worker counts as silent"
            )
        unknown = set(self.on_demand) - set(self.models)
        if unknown:
            raise ValueError(f"on_demand names {min(unknown)!r}, which is not in models")
        return self


def set_library_caches() -> None:
    """Put the caches of the models' libraries on the weights volume, and keep them offline.

    Call it before such a library is imported. Variables that are set already are kept.
    """
    volume = Volume(WeightsSettings().weights)
    os.environ.setdefault("HF_HOME", str(volume.hub_home))
    os.environ.setdefault("TORCH_HOME", str(volume.torch_home))
    os.environ.setdefault("HF_HUB_OFFLINE", "1")


def check_model_settings() -> None:
    """Read what a model would read when it loads, to report a wrong value at the start."""
    for settings in (
        FaceSettings,
        NumberFormatSettings,
        EncoderSettings,
        MattingSettings,
        WanSettings,
        LatentSyncSettings,
    ):
        settings()


def excluded_by_several_gpus() -> list[tuple[str, str]]:
    """Settings of the models that several GPUs for one job exclude, each with the reason."""
    return list(WanSettings().excluded_by_several_gpus())


def prepare_child_environment() -> None:
    """Set what a spawned child finds in its environment, before Celery or a model is imported."""
    set_library_caches()
    os.environ["FORKED_BY_MULTIPROCESSING"] = "1"  # Celery sets it for the children of its pool


def visible_devices() -> str | None:
    """The GPUs that this process may use, as CUDA reads them. None: all that there are."""
    return os.environ.get("CUDA_VISIBLE_DEVICES")


def kubernetes_api() -> tuple[str, int] | None:
    """Host and port of the API of the cluster in which this process runs. None: in no cluster."""
    host = os.environ.get("KUBERNETES_SERVICE_HOST")
    port = os.environ.get("KUBERNETES_SERVICE_PORT_HTTPS", "443")
    return (host, int(port)) if host and port.isdecimal() else None


def environment() -> dict[str, str]:
    """The environment of this process."""
    return dict(os.environ)


def replace_environment(variables: Mapping[str, str]) -> None:
    """Give this process another environment."""
    os.environ.clear()
    os.environ.update(variables)
