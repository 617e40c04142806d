"""A job in a notebook: its state, and a player once there is a video."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kinomill.job_parts import Result
    from kinomill.jobs import Job


def html_of(job: Job) -> str:
    """Return HTML for a job. Every text is escaped, and only an HTTP address becomes a link."""
    head = f"<div><code>{escape(job.id)}</code> {escape(job.model)}: <b>{escape(job.status)}</b>"
    if job.error is not None:
        return f"{head} {escape(job.error.code)}: {escape(job.error.detail)}</div>"
    return f"{head}</div>{_player(job.result) if job.result else ''}"


def _player(result: Result) -> str:
    if not result.url.startswith(("http://", "https://")):
        return ""
    url, kind = escape(result.url, quote=True), escape(result.content_type, quote=True)
    return (
        f'<video controls preload="metadata" style="max-width: 100%; max-height: 480px">'
        f'<source src="{url}" type="{kind}"></video>'
    )
