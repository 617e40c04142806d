"""The Python client of Kinomill: `from kinomill import Client, AsyncClient`.

Names are imported on first use, so that `import kinomill` costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kinomill.async_client import AsyncClient
    from kinomill.client import Client
    from kinomill.errors import (
        AccountLimit,
        ApiError,
        ConfigurationError,
        Conflict,
        Expired,
        FieldError,
        Forbidden,
        InMaintenance,
        InputFileError,
        InvalidInput,
        JobFailed,
        KinomillError,
        Misdirected,
        NotFound,
        QueueFull,
        QuotaExceeded,
        RateLimited,
        ServerError,
        Unauthorized,
        Unreachable,
        UsageError,
        WaitTimeout,
    )
    from kinomill.files.records import File, FilePage
    from kinomill.job_parts import (
        AttemptLog,
        Estimate,
        JobFailure,
        LogLine,
        Percentiles,
        Progress,
        QueuePosition,
        Result,
        ResultFile,
        Share,
        WaitEstimate,
        WarmupProgress,
    )
    from kinomill.jobs import Job, Page, Priority
    from kinomill.models import Model, ModelLicense, Weights, WorkerWeights

__version__ = "0.1.0"
__all__ = [
    "AccountLimit",
    "ApiError",
    "AsyncClient",
    "AttemptLog",
    "Client",
    "ConfigurationError",
    "Conflict",
    "Estimate",
    "Expired",
    "FieldError",
    "File",
    "FilePage",
    "Forbidden",
    "InMaintenance",
    "InputFileError",
    "InvalidInput",
    "Job",
    "JobFailed",
    "JobFailure",
    "KinomillError",
    "LogLine",
    "Misdirected",
    "Model",
    "ModelLicense",
    "NotFound",
    "Page",
    "Percentiles",
    "Priority",
    "Progress",
    "QueueFull",
    "QueuePosition",
    "QuotaExceeded",
    "RateLimited",
    "Result",
    "ResultFile",
    "ServerError",
    "Share",
    "Unauthorized",
    "Unreachable",
    "UsageError",
    "WaitEstimate",
    "WaitTimeout",
    "WarmupProgress",
    "Weights",
    "WorkerWeights",
    "__version__",
]

_MODULES = {
    "Client": "kinomill.client",
    "AsyncClient": "kinomill.async_client",
    **dict.fromkeys(("File", "FilePage"), "kinomill.files.records"),
    **dict.fromkeys(("Job", "Page", "Priority"), "kinomill.jobs"),
    **dict.fromkeys(("JobFailure", "Progress", "Result", "ResultFile"), "kinomill.job_parts"),
    **dict.fromkeys(
        ("AttemptLog", "Estimate", "LogLine", "Percentiles", "Share"), "kinomill.job_parts"
    ),
    **dict.fromkeys(("WaitEstimate", "QueuePosition", "WarmupProgress"), "kinomill.job_parts"),
    **dict.fromkeys(("ModelLicense", "Model", "Weights", "WorkerWeights"), "kinomill.models"),
}
"""Where the names are defined; all others are in `kinomill.errors`."""


if not TYPE_CHECKING:  # a type checker would take every misspelled name for Any

    def __getattr__(name: str) -> Any:
        """Import a name on first use: the server's programs never pay for the HTTP client."""
        from importlib import import_module

        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(_MODULES.get(name, f"{__name__}.errors")), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
