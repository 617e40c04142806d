"""The client: submit jobs, wait for them, save their videos. All times are seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

from kinomill import watch
from kinomill.operations import Operations
from kinomill.parts.sync_parts import Parts
from kinomill.retry import RetryPolicy
from kinomill.settings import ClientSettings
from kinomill.submission import Submission, format_of, merged
from kinomill.transport.sync_transport import Transport
from kinomill.watch import WAIT_SECONDS, Watch

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from kinomill.files.records import File
    from kinomill.job_parts import AttemptLog, Estimate
    from kinomill.jobs import Job, Page
    from kinomill.models import Model
    from kinomill.retry import OnRetry
    from kinomill.transport.downloads import OnDownload
    from kinomill.transport.uploads import OnUpload


class Client(Parts):
    """A client of one API; it may be shared by threads. Use it in a `with` block, or `close` it.

    `url` and `key` (`km_…`) default to the variables KINOMILL_URL and KINOMILL_KEY. `timeout` is
    how long one request may go without an answer, beside the time that it asks the API to wait.
    Transient errors are retried up to `max_retries` times, for at most `retry_timeout` after the
    first one; a submission that is sent twice creates one job. `on_retry` is called before each
    such pause with the error and the seconds until the next attempt.

    Raises `Unreachable` and subclasses of `ApiError`, all of them `KinomillError`.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        key: str | None = None,
        timeout: float = 60.0,
        max_retries: int = 3,
        retry_timeout: float = 60.0,
        on_retry: OnRetry | None = None,
    ) -> None:
        settings = ClientSettings.from_environment()
        self.url = (url or settings.url).rstrip("/")
        policy = RetryPolicy(max_retries, retry_timeout, on_retry=on_retry)
        self._operations = Operations(policy)
        self._transport = Transport(self.url, key=key or settings.key, timeout=timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    def close(self) -> None:
        """Close all connections."""
        self._transport.close()

    def run(  # noqa: PLR0913 - the options of submit and wait
        self,
        model: str,
        inputs: Mapping[str, Any] | None = None,
        /,
        *,
        labels: Mapping[str, str] | None = None,
        priority: str | None = None,
        ttl_seconds: int | None = None,
        start_within_seconds: int | None = None,
        webhook: str | None = None,
        idempotency_key: str | None = None,
        on_upload: OnUpload | None = None,
        on_update: Callable[[Job], object] | None = None,
        timeout: float | None = None,
        **fields: Any,
    ) -> Job:
        """Submit a job, wait for its end, and return it with its result.

        Takes what `submit` takes, and `on_update` and `timeout` of `wait`. Raises `JobFailed`, and
        `WaitTimeout` if the job has not ended `timeout` seconds after it was submitted.
        """
        job = self.submit(
            model,
            inputs,
            labels=labels,
            priority=priority,
            ttl_seconds=ttl_seconds,
            start_within_seconds=start_within_seconds,
            webhook=webhook,
            idempotency_key=idempotency_key,
            on_upload=on_upload,
            **fields,
        )
        return self.wait(job, on_update=on_update, timeout=timeout)

    def submit(  # noqa: PLR0913 - each is a part of a submission
        self,
        model: str,
        inputs: Mapping[str, Any] | None = None,
        /,
        *,
        labels: Mapping[str, str] | None = None,
        priority: str | None = None,
        ttl_seconds: int | None = None,
        start_within_seconds: int | None = None,
        webhook: str | None = None,
        idempotency_key: str | None = None,
        on_upload: OnUpload | None = None,
        wait: float = 0,
        **fields: Any,
    ) -> Job:
        """Submit a job.

        The model's inputs are keyword arguments; an input that is named like an option here goes
        into the mapping `inputs`. A path, an open binary file or bytes are uploaded. In a media
        field of the model, so is a text that names a local file (never pass untrusted texts
        there); an https://, gs:// or data: URI and a file id (`file_…`) are sent as they are. None
        means: not given.

        `priority` is interactive, normal or background; `ttl_seconds` is how long inputs and
        result are kept; a job that has not started after `start_within_seconds` fails; `webhook`
        is called at the end of the job; the same `idempotency_key` always gives the same job;
        `on_upload` is called with the bytes sent and in total; with `wait`, the job is returned at
        its end (see `job.done`) or after so many seconds.
        Raises `InputFileError`, `InvalidInput`, `RateLimited`.
        """
        submission = Submission(
            model,
            merged(inputs, fields),
            labels=labels,
            priority=priority,
            ttl_seconds=ttl_seconds,
            start_within_seconds=start_within_seconds,
            webhook=webhook,
            idempotency_key=idempotency_key or uuid4().hex,
            on_upload=on_upload,
            wait=wait,
        )
        return self._transport.run(self._operations.submit(submission))

    def remove_background(
        self,
        picture: Any,
        to: str | os.PathLike[str] = ".",
        *,
        output_format: str | None = None,
        model: str | None = None,
        idempotency_key: str | None = None,
        on_upload: OnUpload | None = None,
        **fields: Any,
    ) -> Path:
        """Remove the background of a picture, and save the result: one request for most pictures.

        `picture` is a path, an open binary file, bytes, or a URL; `to` is a file, or a folder as
        for `download`. `output_format` is png, webp or jpeg; default: what the name in `to` says,
        else png. `model` default: one that a worker serves now. `fields` are further inputs of the
        model (`output`, `color`). Raises `ApiError` with the code of the job
        if it failed at once, `JobFailed` if it failed after it was polled.
        """
        form = {
            **fields,
            "file": picture,
            "output_format": output_format or format_of(to),
            "model": model,
        }
        key = idempotency_key or uuid4().hex
        operation = self._operations.remove_background(form, to, key, on_upload)
        return self._transport.run(operation)

    def upload(self, source: Any, *, on_upload: OnUpload | None = None) -> File:
        """Upload a file that many jobs need, and name it by its `id`; see `files.upload`."""
        return self.files.upload(source, on_upload=on_upload)

    def check(
        self,
        model: str,
        inputs: Mapping[str, Any] | None = None,
        /,
        *,
        labels: Mapping[str, str] | None = None,
        ttl_seconds: int | None = None,
        **fields: Any,
    ) -> None:
        """Let the server check a submission, with its files, as `submit` would; creates no job.

        Raises what `submit` raises for a submission that would be refused: `InvalidInput`.
        """
        submission = Submission(
            model,
            merged(inputs, fields),
            labels=labels,
            ttl_seconds=ttl_seconds,
            idempotency_key=uuid4().hex,
        )
        self._transport.run(self._operations.check(submission))

    def estimate(  # noqa: PLR0913 - each is a part of a submission
        self,
        model: str,
        inputs: Mapping[str, Any] | None = None,
        /,
        *,
        labels: Mapping[str, str] | None = None,
        priority: str | None = None,
        ttl_seconds: int | None = None,
        start_within_seconds: int | None = None,
        webhook: str | None = None,
        idempotency_key: str | None = None,
        **fields: Any,
    ) -> Estimate:
        """What a job would take: seconds, GPU-seconds, its place in the queue; creates no job.

        Takes what `submit` takes, and raises what it would raise. Without earlier jobs of the
        model to go by there are no figures: see `reason`.
        """
        submission = Submission(
            model,
            merged(inputs, fields),
            labels=labels,
            priority=priority,
            ttl_seconds=ttl_seconds,
            start_within_seconds=start_within_seconds,
            webhook=webhook,
            idempotency_key=idempotency_key or uuid4().hex,
        )
        return self._transport.run(self._operations.estimate(submission))

    def get(self, job: Job | str, *, wait: float = 0) -> Job:
        """Get a job as it is now; with `wait`, at its end or after so many seconds."""
        return self._transport.run(self._operations.get(job, wait))

    def wait(
        self,
        job: Job | str,
        *,
        timeout: float | None = None,
        on_update: Callable[[Job], object] | None = None,
        poll_seconds: float = 0.5,
    ) -> Job:
        """Wait until a job has succeeded. Raises `JobFailed`; after `timeout`, `WaitTimeout`.

        `on_update` is called with each change of the job, which the API sends as it happens. If it
        sends none, the job is polled every `poll_seconds`.
        """
        every = WAIT_SECONDS if on_update is None else poll_seconds
        watched = Watch(job, self._operations.policy, timeout=timeout, every=every)
        try:
            return self._transport.run(watch.wait(watched, on_update))
        finally:
            self._transport.leave(watched.source)

    def watch(
        self, job: Job | str, *, timeout: float | None = None, poll_seconds: float = 0.5
    ) -> Iterator[Job]:
        """Iterate over the changes of a job; the last one shows its end. Raises `WaitTimeout`.

        They come from the job's stream of events. If it breaks, it goes on from the last event
        (`Last-Event-ID`); if there is none, the job is polled every `poll_seconds`.
        """
        watched = Watch(job, self._operations.policy, timeout=timeout, every=poll_seconds)
        try:
            while not watched.done:
                yield self._transport.run(watched.next())
        finally:
            self._transport.leave(watched.source)

    def download(
        self,
        job: Job | str,
        to: str | os.PathLike[str] = ".",
        *,
        name: str | None = None,
        on_progress: OnDownload | None = None,
    ) -> Path:
        """Save the result of a job, or of its `result.files` the one called `name`.

        `to` is a file, or a folder (one that exists, or ends in a slash): there the file is named
        after the job, with the extension of what was made. The file appears when it is complete.
        `on_progress` is called with the bytes saved and in total.
        """
        return self._transport.run(self._operations.download(job, to, name, on_progress))

    def poster(self, job: Job | str, to: str | os.PathLike[str] = ".") -> Path:
        """Save the poster of a result, a small JPEG; `to` as for `download`. Raises `NotFound`."""
        return self._transport.run(self._operations.poster(job, to))

    def list(
        self,
        *,
        status: str | None = None,
        model: str | None = None,
        account: str | None = None,
        labels: Mapping[str, str] | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Page:
        """List your jobs, newest first: one page, which starts at the `next_cursor` of another.

        With a key of scope admin, `account` may be another account, or `*` for all.
        """
        query = {
            "status": status,
            "model": model,
            "account": account,
            "limit": limit,
            "cursor": cursor,
        }
        return self._transport.run(self._operations.list(query, labels or {}))

    def list_all(
        self,
        *,
        status: str | None = None,
        model: str | None = None,
        account: str | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> Iterator[Job]:
        """Iterate over all your jobs, newest first, page by page."""
        page = self.list(status=status, model=model, account=account, labels=labels)
        for job in page:
            yield job
        while page.next_cursor:
            page = self.list(
                status=status,
                model=model,
                account=account,
                labels=labels,
                cursor=page.next_cursor,
            )
            for job in page:
                yield job

    def cancel(self, job: Job | str) -> Job:
        """Cancel a job: at once while it is queued, at its next step while it runs."""
        return self._transport.run(self._operations.cancel(job))

    def retry(
        self, job: Job | str, *, exact: bool = False, idempotency_key: str | None = None
    ) -> Job:
        """Submit the input of a job that has ended again, as a new job (see `job.retry_of`).

        `exact` keeps a seed that the server drew, and the revision of the weights. Raises
        `Expired` if its files are no longer stored.
        """
        key = idempotency_key or uuid4().hex
        return self._transport.run(self._operations.retry(job, key, exact=exact))

    def logs(self, job: Job | str, *, attempt: int | None = None) -> tuple[AttemptLog, ...]:
        """Get what the attempts of a job logged, in order; while it runs, a few seconds late."""
        return self._transport.run(self._operations.logs(job, attempt))

    def delete(self, job: Job | str) -> None:
        """Delete a job that has ended, with its files; a missing job is no error."""
        self._transport.run(self._operations.delete(job))

    def models(self) -> tuple[Model, ...]:
        """List the models of the server, with the JSON Schema of each one's input."""
        return self._transport.run(self._operations.models())

    def model(self, name: str) -> Model:
        """Get a model, with the state of its weights on each worker."""
        return self._transport.run(self._operations.model(name))

    def worker_count(self, model: str) -> int:
        """Count the workers that take jobs of a model now; without one, its jobs wait."""
        return self._transport.run(self._operations.worker_count(model))

    def prefetch(self, name: str) -> Model:
        """Ask the workers to download the weights of a model before its first job."""
        return self._transport.run(self._operations.prefetch(name))
