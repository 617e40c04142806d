"""What both clients do, as operations without I/O (see `transport/exchange.py`)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from kinomill.errors import NotFound
from kinomill.job_parts import AttemptLog, Estimate
from kinomill.jobs import Job, Page
from kinomill.submission import local_files, may_be_path, request_removal, split
from kinomill.transport.downloads import PartialFile, sent_suffix, target_path
from kinomill.transport.exchange import Request, exchange, exchange_json, json_object
from kinomill.transport.uploads import opened
from kinomill.watch import WAIT_SECONDS, Watch, id_of, job_path, job_request, wait

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from pathlib import Path

    import httpx

    from kinomill.input_schema import InputSchema
    from kinomill.models import Model
    from kinomill.retry import RetryPolicy
    from kinomill.submission import Submission
    from kinomill.transport.downloads import OnDownload
    from kinomill.transport.exchange import Operation
    from kinomill.transport.uploads import OnUpload


@dataclass
class Operations:
    """The operations of one client. Each model's input schema is read at most once."""

    policy: RetryPolicy
    _schemas: dict[str, InputSchema] = field(default_factory=dict)

    def models(self) -> Operation[tuple[Model, ...]]:
        """List the models."""
        content = yield from exchange_json(Request("GET", "/v1/models"), self.policy)
        return tuple(_model(model) for model in content["items"])

    def model(self, name: str) -> Operation[Model]:
        """Get one model."""
        request = Request("GET", _model_path(name))
        return _model((yield from exchange_json(request, self.policy)))

    def prefetch(self, name: str) -> Operation[Model]:
        """Ask for the weights of a model."""
        request = Request("POST", f"{_model_path(name)}/prefetch")
        return _model((yield from exchange_json(request, self.policy)))

    def submit(self, submission: Submission) -> Operation[Job]:
        """Submit a job; a text in a media field that names a local file is uploaded."""
        return Job.from_json(json_object((yield from self._send(submission))))

    def check(self, submission: Submission) -> Operation[None]:
        """Let the server check a submission without creating a job."""
        yield from self._send(replace(submission, dry_run=True))

    def estimate(self, submission: Submission) -> Operation[Estimate]:
        """Let the server check a submission and say what it would take."""
        response = yield from self._send(replace(submission, estimate=True))
        return Estimate.from_json(json_object(response))

    def worker_count(self, model: str) -> Operation[int]:
        """Count the workers that take jobs of a model."""
        content = yield from exchange_json(Request("GET", "/v1/queues"), self.policy)
        return sum(queue["workers"] for queue in content["items"] if queue["model"] == model)

    def _send(self, submission: Submission) -> Operation[httpx.Response]:
        values, files = split(submission.inputs)
        if any(may_be_path(value) for value in values.values()):
            schema = yield from self._schema(submission.model)
            files |= local_files(values, schema.media)
            values = {name: value for name, value in values.items() if name not in files}
        with opened(files, submission.on_upload) as uploads:
            request = submission.request(values, uploads)
            return (yield from exchange(request, self.policy))

    def remove_background(
        self,
        fields: Mapping[str, Any],
        to: str | os.PathLike[str],
        key: str,
        on_upload: OnUpload | None,
    ) -> Operation[Path]:
        """Send a picture and save what comes back; wait for its job if that takes longer."""
        response = yield from request_removal(fields, key, on_upload, self.policy)
        job_id = response.headers["location"].rpartition("/")[2]
        if response.status_code == HTTPStatus.ACCEPTED:
            watched = Watch(job_id, self.policy, timeout=None, every=WAIT_SECONDS)
            yield from wait(watched, None)
            return (yield from self.download(job_id, to, None, None))
        with PartialFile(target_path(to, job_id, None)) as file:
            file.restart(None)
            file.write(response.content)
            return file.complete(target_path(to, job_id, None, sent_suffix(response.headers)))

    def get(self, job: Job | str, wait: float) -> Operation[Job]:
        """Get a job at its end, or after `wait` seconds."""
        request = job_request(job, wait)
        return Job.from_json((yield from exchange_json(request, self.policy)))

    def list(self, query: Mapping[str, Any], labels: Mapping[str, str]) -> Operation[Page]:
        """Get one page of jobs."""
        params = {name: value for name, value in query.items() if value is not None}
        params["label"] = [f"{name}:{value}" for name, value in labels.items()]
        request = Request("GET", "/v1/jobs", params=params)
        return Page.from_json((yield from exchange_json(request, self.policy)))

    def cancel(self, job: Job | str) -> Operation[Job]:
        """Cancel a job."""
        request = Request("POST", f"{job_path(job)}/cancel")
        return Job.from_json((yield from exchange_json(request, self.policy)))

    def retry(self, job: Job | str, key: str, *, exact: bool) -> Operation[Job]:
        """Submit the input of a job again."""
        headers = {"Idempotency-Key": key}
        request = Request("POST", f"{job_path(job)}/retry", json={"exact": exact}, headers=headers)
        return Job.from_json((yield from exchange_json(request, self.policy)))

    def logs(self, job: Job | str, attempt: int | None) -> Operation[tuple[AttemptLog, ...]]:
        """Get what the attempts of a job logged."""
        params = {} if attempt is None else {"attempt": attempt}
        request = Request("GET", f"{job_path(job)}/logs", params=params)
        content = yield from exchange_json(request, self.policy)
        return tuple(map(AttemptLog.from_json, content["attempts"]))

    def delete(self, job: Job | str) -> Operation[None]:
        """Delete a job. A missing one is no error: an earlier attempt may have deleted it."""
        try:
            yield from exchange(Request("DELETE", job_path(job)), self.policy)
        except NotFound as error:
            if error.code != "job_not_found":
                raise

    def download(
        self,
        job: Job | str,
        to: str | os.PathLike[str],
        name: str | None,
        on_progress: OnDownload | None,
    ) -> Operation[Path]:
        """Save the result of a job, or its other file of this name."""
        part = "result" if name is None else f"files/{quote(name, safe='')}"
        return (yield from self._save(job, part, to, name, on_progress))

    def poster(self, job: Job | str, to: str | os.PathLike[str]) -> Operation[Path]:
        """Save the poster of a result."""
        return (yield from self._save(job, "poster", to, "poster.jpg", None))

    def _save(
        self,
        job: Job | str,
        part: str,
        to: str | os.PathLike[str],
        name: str | None,
        on_progress: OnDownload | None,
    ) -> Operation[Path]:
        with PartialFile(target_path(to, id_of(job), name), on_progress) as file:
            request = Request("GET", f"{job_path(job)}/{part}", save_to=file)
            response = yield from exchange(request, self.policy)
            suffix = sent_suffix(response.headers)
            return file.complete(target_path(to, id_of(job), name, suffix))

    def _schema(self, model: str) -> Operation[InputSchema]:
        if model not in self._schemas:
            self._schemas[model] = (yield from self.model(model)).schema
        return self._schemas[model]


def _model(raw: Mapping[str, Any]) -> Model:
    from kinomill.models import Model  # here, because most commands need no model

    return Model.from_json(raw)


def _model_path(name: str) -> str:
    return f"/v1/models/{quote(name, safe='')}"
