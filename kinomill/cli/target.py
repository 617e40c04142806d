"""Where a result is to be saved: looked at before a job is submitted."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kinomill.cli.errors import CommandError
from kinomill.transport.downloads import target_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kinomill.client import Client
    from kinomill.jobs import Job


def check_target(out: str | None, option: str = "--out") -> None:
    """Check that a file can be written there; creates its folder. Raises `CommandError`."""
    text = "out/" if out is None else out
    path = target_path(text, "job", None)
    if not text or text == "-":
        raise CommandError(
            f"{option} {text!r} is not a file or a folder: write e.g. {option} video.mp4"
        )
    if path.exists() and not path.is_file():
        raise CommandError(f"{option} {text}: {path} is not a regular file: choose another name")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent, prefix=".kinomill-"):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        raise CommandError(
            f"{option} {text}: no file can be written in {path.parent} ({reason}): "
            "choose another folder"
        ) from error


@contextmanager
def saving() -> Iterator[None]:
    """Name what went wrong with the file that is saved in this block. Raises `CommandError`."""
    try:
        yield
    except OSError as error:
        raise CommandError(f"the result cannot be saved ({error.strerror or error})") from error


def save(
    client: Client,
    job: Job | str,
    out: str | None,
    name: str | None = None,
    *,
    poster: bool = False,
) -> Path:
    """Save the result of a job, another of its files, or its poster. Raises `CommandError`."""
    job_id = job if isinstance(job, str) else job.id
    try:
        target = "out/" if out is None else out
        return client.poster(job, target) if poster else client.download(job, target, name=name)
    except OSError as error:
        raise CommandError(
            f"the result cannot be saved ({error.strerror or error}), and is still on the server: "
            f"kinomill download {job_id} --out FILE"
        ) from error
