"""Tables of metrics: samples that were just taken, and what all earlier ones sum up to."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Double, Identity, SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from runtime.tables import Base


class MetricSample(Base):
    """The end of an attempt or of a job that no attempt ended, until maintenance adds it up.

    It is inserted by the statement that writes the end. No two of them wait for each other, as
    they would for a row that counts.
    """

    __tablename__ = "metric_samples"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    model: Mapped[str]
    priority: Mapped[int] = mapped_column(SmallInteger)  #: a `jobs.states.Priority`
    state: Mapped[str | None]  #: the final state of the job. None: it is queued again
    code: Mapped[str | None]  #: of the error of a job that failed
    outcome: Mapped[str | None]  #: of the attempt, a `jobs.states.Outcome`. None: there was none
    reason: Mapped[str | None]  #: why the attempt was lost, a `jobs.metrics.samples.LossReason`
    wait_seconds: Mapped[float | None] = mapped_column(Double)
    #: from the submission to the first claim; of first attempts only
    run_seconds: Mapped[float | None] = mapped_column(Double)
    cancel_seconds: Mapped[float | None] = mapped_column(Double)
    #: from the request to cancel to the end of the attempt
    video_seconds: Mapped[float | None] = mapped_column(Double)  #: length of the result
    figures: Mapped[dict[str, Any] | None]
    #: of the worker's child: seconds by phase in `phases`, and mean `step_seconds`


class MetricTotal(Base):
    """A counter, or a bucket of a histogram. It only grows, also when jobs are deleted."""

    __tablename__ = "metric_totals"

    name: Mapped[str] = mapped_column(primary_key=True)  #: of the metric
    model: Mapped[str] = mapped_column(primary_key=True)  #: empty: the metric has no such label
    label: Mapped[str] = mapped_column(primary_key=True)  #: value of its other label, or empty
    le: Mapped[float] = mapped_column(Double, primary_key=True)
    #: upper bound of the bucket; infinity for a counter
    count: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))  #: in this bucket only
    sum: Mapped[float] = mapped_column(Double, server_default=text("0"))  #: of what was observed
