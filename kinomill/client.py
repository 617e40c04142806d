"""A Python client of the API: submit, wait, fetch."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote
from uuid import uuid4

import httpx
from tenacity import (
    RetryCallState,
    retry,
    retry_if_exception,
    stop_after_attempt,
    wait_exponential_jitter,
)

from kinomill.errors import ApiError, JobFailed, Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

FINAL = frozenset({"succeeded", "failed", "canceled"})
WAIT_SECONDS = 30.0
"""How long one request waits for news before it asks again."""
LONGEST_PAUSE_SECONDS = 30.0
"""How long a `Retry-After` is honoured."""


def _passing(error: BaseException) -> bool:
    return isinstance(error, Unreachable) or (isinstance(error, ApiError) and error.retryable)


def _pause(state: RetryCallState) -> float:
    """As long as the API asks for, within bounds; else longer each time."""
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, ApiError) and error.retry_after is not None:
        return min(error.retry_after, LONGEST_PAUSE_SECONDS)
    return _growing(state)


_growing = wait_exponential_jitter(multiplier=0.3, max=5)
_patient = retry(
    retry=retry_if_exception(_passing), stop=stop_after_attempt(4), wait=_pause, reraise=True
)


class Client:
    """Talks to one API. Passing errors are tried again; submitting twice makes one job.

    `key` is a key of the API (`km_…`), where it asks for one.
    """

    def __init__(self, url: str, *, key: str | None = None, timeout_seconds: float = 60.0) -> None:
        self._url = url.rstrip("/")
        self._http = httpx.Client(
            base_url=self._url,
            timeout=timeout_seconds,
            trust_env=False,
            headers={"Authorization": f"Bearer {key}"} if key else {},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of all connections."""
        self._http.close()

    @_patient
    def models(self) -> list[dict[str, Any]]:
        """The models of the server, with the JSON Schema of each one's input."""
        items: list[dict[str, Any]] = self._ask("GET", "/v1/models")["items"]
        return items

    @_patient
    def model(self, name: str) -> dict[str, Any]:
        """One model, with the state of its weights on each worker."""
        return self._ask("GET", f"/v1/models/{name}")

    @_patient
    def prefetch(self, name: str) -> dict[str, Any]:
        """Have the weights of a model come to its workers before its first job."""
        return self._ask("POST", f"/v1/models/{name}/prefetch")

    def submit(  # noqa: PLR0913 - a submission has that many parts
        self,
        model: str,
        values: Mapping[str, Any],
        *,
        files: Mapping[str, Path] | None = None,
        labels: Mapping[str, str] | None = None,
        key: str | None = None,
        priority: str | None = None,
        ttl_seconds: int | None = None,
        webhook: str | None = None,
    ) -> dict[str, Any]:
        """Submit a job. `values` are input fields, `files` the media fields to upload.

        Without a `key` (Idempotency-Key) one is made up, so that a request whose answer was lost
        is sent again and still makes one job. `priority` is interactive, normal or background;
        `ttl_seconds` says how long the video is kept; `webhook` is an address that is told of the
        end.
        """
        around = {
            "labels": dict(labels or {}),
            "priority": priority,
            "ttl_seconds": ttl_seconds,
            "webhook": None if webhook is None else {"url": webhook},
        }
        given = {name: value for name, value in around.items() if value is not None}
        return self._submit({"model": model, **given}, values, files or {}, key or uuid4().hex)

    @_patient
    def _submit(
        self,
        around: Mapping[str, Any],
        values: Mapping[str, Any],
        files: Mapping[str, Path],
        key: str,
    ) -> dict[str, Any]:
        headers = {"Idempotency-Key": key}
        if not files:
            body = {**around, "input": dict(values)}
            return self._ask("POST", "/v1/jobs", json=body, headers=headers)
        fields = _texts(around) | _texts(values)
        with ExitStack() as opened:
            parts = {
                name: (path.name, opened.enter_context(path.open("rb")))
                for name, path in files.items()
            }
            return self._ask("POST", "/v1/jobs", data=fields, files=parts, headers=headers)

    @_patient
    def get(self, job_id: str, *, wait_seconds: float = 0) -> dict[str, Any]:
        """A job as it is now, or when it has ended, or after `wait_seconds`."""
        return self._ask("GET", f"/v1/jobs/{job_id}", params={"wait": wait_seconds})

    @_patient
    def list(self, **query: Any) -> dict[str, Any]:
        """One page of jobs: `items` and `next_cursor`."""
        given = {name: value for name, value in query.items() if value is not None}
        return self._ask("GET", "/v1/jobs", params=given)

    @_patient
    def cancel(self, job_id: str) -> dict[str, Any]:
        """Withdraw a job."""
        return self._ask("POST", f"/v1/jobs/{job_id}/cancel")

    @_patient
    def delete(self, job_id: str) -> None:
        """Delete a job that has ended, with its video and its files; a missing one is no error."""
        try:
            self._send("DELETE", f"/v1/jobs/{job_id}")
        except ApiError as error:
            if error.code != "job_not_found":
                raise

    def wait(
        self,
        job_id: str,
        *,
        on_update: Callable[[dict[str, Any]], None] | None = None,
        poll_seconds: float = 0.25,
    ) -> dict[str, Any]:
        """Wait for the end of a job; with `on_update`, see each step. Raises `JobFailed`."""
        while True:
            job = self.get(job_id, wait_seconds=0 if on_update else WAIT_SECONDS)
            if on_update is not None:
                on_update(job)
            if job["status"] in FINAL:
                break
            if on_update is not None:
                time.sleep(poll_seconds)
        if job["status"] != "succeeded":
            raise JobFailed(job)
        return job

    @_patient
    def download(self, job_id: str, path: Path, name: str | None = None) -> Path:
        """Save the video of a job, or of its `result.files` the one of this name.

        The file appears when it is whole.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.part")
        try:
            part = "result" if name is None else f"files/{quote(name, safe='')}"
            self._fetch(f"/v1/jobs/{job_id}/{part}", partial)
            return partial.replace(path)
        except httpx.TransportError as error:
            raise Unreachable(self._url) from error
        finally:
            partial.unlink(missing_ok=True)

    def _fetch(self, url: str, path: Path) -> None:
        with self._http.stream("GET", url, follow_redirects=True) as response:
            if response.is_error:
                response.read()
                raise _refusal(response)
            with path.open("wb") as file:
                for piece in response.iter_bytes():
                    file.write(piece)

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            response = self._http.request(method, path, **options)
        except httpx.TransportError as error:
            raise Unreachable(self._url) from error
        if response.is_error:
            raise _refusal(response)
        return response

    def _ask(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        response = self._send(method, path, **options)
        try:
            answer: dict[str, Any] = response.json()
        except ValueError as error:
            detail = f"what answers at {self._url} is not a Kinomill API"
            raise ApiError(response.status_code, {"detail": detail}) from error
        return answer


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in values.items()
    }


def _refusal(response: httpx.Response) -> ApiError:
    seconds = response.headers.get("retry-after", "")
    retry_after = float(seconds) if seconds.isdecimal() else None
    return ApiError(response.status_code, _problem(response), retry_after=retry_after)


def _problem(response: httpx.Response) -> dict[str, Any]:
    try:
        problem = response.json()
    except ValueError:
        return {}
    return problem if isinstance(problem, dict) else {}
