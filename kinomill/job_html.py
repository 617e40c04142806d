"""A job in a notebook: its state, and its result: a player, a picture or a link."""

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
    return f"{head}</div>{_shown(result) if result else ''}"


def _shown(result: Result) -> str:
    if not result.url.startswith(("http://", "https://")):
        return ""
    url, kind = escape(result.url, quote=True), escape(result.content_type, quote=True)
    if kind.startswith("image/"):
        return f'<img src="{url}" style="max-width: 100%; max-height: 480px">'
    if not kind.startswith("video/"):
        return f'<a href="{url}">{kind}</a>'
    return (
        f'<video controls preload="metadata" style="max-width: 100%; max-height: 480px">'
        f'<source src="{url}" type="{kind}"></video>'
    )
