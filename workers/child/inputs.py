"""Bringing a job's pictures, clips and voices to the worker, behind the guard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.errors import AttemptFailed, ErrorCode
from jobs.ids import input_key, is_id
from jobs.states import Phase
from models.spec import MediaKind
from storage.base import ObjectNotFound
from storage.sniffing.images import check_image
from storage.sniffing.media import MediaRejected, check_media
from storage.web.fetch import fetch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from models.spec import Input
    from workers.child.run_job import WorkerContext


def fetch_inputs(
    params: Input, context: WorkerContext, report: Callable[..., None], folder: Path
) -> dict[str, Path]:
    """Local files of all media fields that the caller gave, checked by their bytes."""
    files = {}
    for name, kind in params.media_fields().items():
        uri = getattr(params, name)
        if uri is not None:
            files[name] = _fetch_one(uri, name, kind, context, report, folder)
    return files


def _fetch_one(
    uri: str,
    name: str,
    kind: MediaKind,
    context: WorkerContext,
    report: Callable[..., None],
    folder: Path,
) -> Path:
    path = folder / f"input-{name}"
    report(Phase.FETCHING_INPUTS)
    try:
        if is_id(uri, "file"):
            context.storage.download(input_key(uri), path)
        else:
            fetch(
                uri,
                path,
                policy=context.policy,
                limit_bytes=context.policy.limit_bytes(kind.value),
                on_bytes=lambda done, total: report(Phase.FETCHING_INPUTS, done, total),
            )
        check_media(path, kind.value)
        if kind is MediaKind.IMAGE:
            check_image(path)
    except MediaRejected as error:
        raise AttemptFailed(
            ErrorCode.of(error.code), f"{name}: {error}.", retryable=error.retryable, field=name
        ) from error
    except ObjectNotFound as error:
        detail = f"{name}: the uploaded file is no longer stored."
        raise AttemptFailed(ErrorCode.FILE_NOT_FOUND, detail, field=name) from error
    return path
