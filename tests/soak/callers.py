"""Callers of the API: they submit until it accepts, cancel, read, and remember what they did."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus

import httpx

THREADS = 4
RETRY_SECONDS = 0.2
OPERATOR = "ops"
"""Its key has the scope admin."""
MAY_FAIL = {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS}
"""Statuses that an API under faults may give to a good request."""


@dataclass
class Submission:
    """One job that a caller wants, whatever it takes to submit it."""

    key: str
    """The Idempotency-Key, also a label of the job."""
    account: str
    kind: str
    """What the job does: a name of `soak.KINDS`."""
    body: dict
    ids: set[str] = field(default_factory=set)
    """The ids in the responses; more than one is a fault."""
    cancel_sent: bool = False

    @property
    def webhook(self):
        """The URL of its webhook, or None."""
        return self.body.get("webhook", {}).get("url")


@dataclass
class Callers:
    """All callers of one API, each with its own account and key."""

    url: str
    keys: dict[str, str]
    """API keys by account."""
    deadline: float
    """`time.monotonic()` at which they give up."""
    submissions: list[Submission] = field(default_factory=list)
    surprises: list[str] = field(default_factory=list)
    """Responses that a good request may never get."""

    def __enter__(self):
        self._http = httpx.Client(base_url=self.url, trust_env=False, timeout=30)
        self._threads = ThreadPoolExecutor(THREADS)
        self._running = []
        return self

    def __exit__(self, *_):
        self.deadline = 0.0
        self._threads.shutdown()
        self._http.close()

    def submit(self, submission, *, twice=False):
        """Submit in another thread, and with `twice` in two threads at once."""
        self.submissions.append(submission)
        for _ in range(1 + twice):
            self._running.append(self._threads.submit(self._submit, submission))

    @property
    def unanswered(self):
        """How many submissions are still on their way. Raises what a thread raised."""
        waiting = []
        for one in self._running:
            if one.done():
                one.result()
            else:
                waiting.append(one)
        self._running = waiting
        return len(waiting)

    def cancel(self, job_id):
        """Send one cancel for a job, without a retry."""
        submission = self.of(job_id)
        submission.cancel_sent = True
        with suppress(httpx.TransportError):
            response = self._call(submission.account, "POST", f"/v1/jobs/{job_id}/cancel")
            self._note(response, {HTTPStatus.OK, HTTPStatus.ACCEPTED, HTTPStatus.CONFLICT})

    def operate(self, path, **request):
        """Let the operator act, once the API responds; None for what does not exist any more."""
        wanted = {HTTPStatus.OK, HTTPStatus.NOT_FOUND}
        answer = self._insist(OPERATOR, "POST", path, wanted, **request)
        return None if answer is None or "code" in answer else answer

    def read(self, job_id):
        """The job as the API shows it to its owner, once it responds."""
        path = f"/v1/jobs/{job_id}"
        return self._insist(self.of(job_id).account, "GET", path, {HTTPStatus.OK})

    def of(self, job_id):
        """The submission with this job."""
        return next(one for one in self.submissions if job_id in one.ids)

    def _submit(self, submission):
        job = self._insist(
            submission.account,
            "POST",
            "/v1/jobs",
            {HTTPStatus.ACCEPTED, HTTPStatus.OK},
            content=json.dumps(submission.body),
            headers={"Idempotency-Key": submission.key, "Content-Type": "application/json"},
        )
        if job is not None:
            submission.ids.add(job["id"])

    def _insist(self, account, method, path, wanted, **request):
        """Send until there is a response that is wanted; returns its JSON, or None at the end."""
        while time.monotonic() < self.deadline:
            with suppress(httpx.TransportError):
                response = self._call(account, method, path, **request)
                if response.status_code in wanted:
                    return response.json()
                self._note(response, wanted)
            time.sleep(RETRY_SECONDS)
        return None

    def _call(self, account, method, path, *, headers=None, **request):
        headers = {"Authorization": f"Bearer {self.keys[account]}"} | (headers or {})
        return self._http.request(method, path, headers=headers, **request)

    def _note(self, response, wanted):
        if response.status_code not in wanted | MAY_FAIL:
            request = response.request
            self.surprises.append(
                f"{request.method} {request.url.path}: {response.status_code} {response.text[:300]}"
            )
