"""Waits for the end of a job: a request that waits holds no thread and no connection."""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from api.context.deps import context_of
from api.errors.validation import invalid_input
from jobs.errors import RequestError

if TYPE_CHECKING:
    from fastapi import Request

    from api.context.app_context import AppContext
    from jobs.rows import JobRow

_SECONDS = TypeAdapter(Annotated[float, Field(ge=0, allow_inf_nan=False)])


_PREFERRED = re.compile(r'(?:^|,)\s*wait(?:\s*=\s*"?([0-9]{1,9})"?)?\s*(?=$|[,;])', re.IGNORECASE)
PREFER = {
    "name": "Prefer",
    "in": "header",
    "required": False,
    "schema": {"type": "string"},
    "description": "`wait=N` (RFC 7240) is the same as `?wait=N`, which comes first.",
}


def wait_parameter(default: float = 0) -> dict[str, Any]:
    """What the OpenAPI document says of `?wait=`."""
    return {
        "name": "wait",
        "in": "query",
        "required": False,
        "schema": {"type": "number", "minimum": 0, "default": default},
        "description": "Respond when the job has ended, at the latest after these seconds.",
    }


def wait_seconds(request: Request, *, default: float = 0.0) -> float:
    """What the caller asks for by `?wait=` or else `Prefer: wait=`, within the limit of a setting.

    Raises `RequestError` (invalid_input).
    """
    text = request.query_params.get("wait")
    preferred = preferred_wait(request) if text is None else None
    try:
        seconds = default if text is None else _SECONDS.validate_strings(text)
    except ValidationError as error:
        raise invalid_input(error, "query", "wait") from error
    longest = context_of(request).settings.longest_wait_seconds
    return min(seconds if preferred is None else preferred, longest)


def preferred_wait(request: Request, *, without_number: float | None = None) -> float | None:
    """The seconds of `Prefer: wait=N`; those given for a `wait` without a number; else None.

    Other preferences and malformed ones are ignored, as RFC 7240 says.
    """
    if "prefer" not in request.headers:
        return None
    found = _PREFERRED.search(",".join(request.headers.getlist("prefer")))
    if found is None:
        return None
    return float(found[1]) if found[1] else without_number


def preference_applied(request: Request, seconds: float) -> dict[str, str]:
    """The header that confirms `Prefer: wait=N`, unless `?wait=` was given."""
    if preferred_wait(request) is None or "wait" in request.query_params:
        return {}
    return {"Preference-Applied": f"wait={seconds:g}"}


async def wait_for_end(
    context: AppContext, account: str | None, job_id: str, seconds: float, request: Request
) -> JobRow:
    """The job when it has ended, or as it is after these seconds or when the caller is gone."""
    deadline = time.monotonic() + seconds
    with context.job_changes.watch(job_id) as ended:
        job = await context.statements.find_job(account, job_id)
        if job.final:
            return job
        listener = asyncio.create_task(_set_on_disconnect(request, ended))
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                await ended.wait()
        except TimeoutError:
            pass
        finally:
            listener.cancel()
    return await context.statements.find_job(account, job_id)


async def _set_on_disconnect(request: Request, event: asyncio.Event) -> None:
    """Set the event when the caller has closed the connection; skip a body, which GET ignores."""
    with suppress(RequestError):  # a body over the limit
        while (await request.receive())["type"] != "http.disconnect":
            pass
    event.set()
