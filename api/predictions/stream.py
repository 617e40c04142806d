"""The stream of a prediction: `logs` while it runs, then `output` or `error`, then `done`."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
from fastapi.sse import format_sse_event

from api.events import responses
from api.events.job_stream import MIN_SECONDS
from api.events.responses import comment, wait_for
from api.jobs.responses import job_response
from api.predictions.responses import Prediction, log_lines
from jobs.errors import RequestError
from jobs.states import State

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from api.context.app_context import AppContext
    from api.jobs.responses import JobResponse

_REASONS = {State.FAILED: "error", State.CANCELED: "canceled"}


@dataclass
class PredictionStream:
    """Sends what happens to a job, in the four events that Replicate's clients know."""

    context: AppContext
    account: str
    job_id: str
    _sent: int = 0
    _last_line: str = ""

    async def events(self) -> AsyncGenerator[bytes]:
        """Events until the job has ended, the server stops, or an hour has passed."""
        yield comment("Kinomill")
        begin = time.monotonic()
        changes = self.context.job_changes
        with (
            changes.follow(self.job_id) as follower,
            suppress(psycopg.OperationalError, RequestError),
        ):
            while time.monotonic() - begin < responses.MAX_SECONDS:
                follower.changed.clear()
                row = await self.context.statements.find_job(self.account, self.job_id)
                job = job_response(row, self.context)
                new = b"".join(self._new_events(job))
                yield new or comment("ping")
                if row.final or changes.closing:
                    return
                await wait_for(follower.ended, MIN_SECONDS)
                await wait_for(follower.changed, responses.PING_SECONDS)

    def _new_events(self, job: JobResponse) -> Iterator[bytes]:
        """The last line of the logs if it is new, and the end."""
        line = "\n".join(log_lines(job)[-1:])
        if line and line != self._last_line:
            self._last_line = line
            yield self._event("logs", f"{line}\n")
        if not job.status.final:
            return
        prediction = Prediction.of(job, self.context)
        if prediction.output is not None:
            yield self._event("output", prediction.output)
        if prediction.error is not None:
            yield self._event("error", prediction.error)
        reason = _REASONS.get(job.status)
        yield self._event("done", json.dumps({"reason": reason} if reason else {}))

    def _event(self, name: str, text: str) -> bytes:
        """An event. Replicate's client drops those without an id."""
        self._sent += 1
        return format_sse_event(event=name, data_str=text, id=str(self._sent))
