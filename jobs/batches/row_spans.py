"""The trace of a row of a batch, which begins when maintenance submits the row as a job.

Ten thousand rows in the trace of one request would help nobody.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Self

from runtime.traces.spans import begin

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from jobs.queue.submission import Submission
    from runtime.traces.job_span import JobSpan


class RowSpans:
    """A span for each of some submissions: those that are not ended are not sent."""

    def __init__(self, spans: Mapping[str, JobSpan]) -> None:
        """The spans by the id of the job that each begins."""
        self._spans = spans

    @classmethod
    def begin(cls, batch_id: str, submissions: Mapping[int, Submission]) -> Self:
        """Begin a trace for each row, by its number."""
        return cls(
            {
                one.id: begin(
                    "submit row",
                    "producer",
                    None,
                    {
                        "messaging.system": "kinomill",
                        "messaging.destination.name": one.queue,
                        "messaging.operation.type": "send",
                        "kinomill.batch.id": batch_id,
                        "kinomill.batch.row": number,
                        "kinomill.job.id": one.id,
                        "kinomill.model": one.model,
                    },
                )
                for number, one in submissions.items()
            }
        )

    def given_to(self, submissions: Mapping[int, Submission]) -> dict[int, Submission]:
        """The submissions, whose jobs go on with these traces."""
        return {
            number: replace(one, trace=self._spans[one.id].context)
            for number, one in submissions.items()
        }

    def end(self, job_ids: Iterable[str | None]) -> None:
        """End those that became jobs; a row may be the job of an earlier request instead."""
        for job_id in filter(None, job_ids):
            if job_id in self._spans:
                self._spans[job_id].end()
