"""A job in a notebook: its state, and a player once there is a video."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kinomill.job_parts import JobFailure, Result


def html_of(
    job_id: str, model: str, status: str, *, error: JobFailure | None, result: Result | None
) -> str:
    """Return HTML for a job. Every text is escaped, and only an HTTP address becomes a link."""
    head = f"<div><code>{escape(job_id)}</code> {escape(model)}: <b>{escape(status)}</b>"
    if error is not None:
        return f"{head} {escape(error.code)}: {escape(error.detail)}</div>"
    return f"{head}</div>{_player(result) if result else ''}"


def _player(result: Result) -> str:
    if not result.url.startswith(("http://", "https://")):
        return ""
    url, kind = escape(result.url, quote=True), escape(result.content_type, quote=True)
    return (
        f'<video controls preload="metadata" style="max-width: 100%; max-height: 480px">'
        f'<source src="{url}" type="{kind}"></video>'
    )
