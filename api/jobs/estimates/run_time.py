"""Estimate the run time of an input by past runs, scaled by the amount of work of each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.estimates.past_runs import PastRun
    from models.spec import Input

MIN_SCALED: Final = 3
"""With fewer past runs whose work is known, all runs are taken as they were."""


@dataclass(frozen=True)
class RunTime:
    """How long a run takes, in seconds."""

    p50: float
    p90: float
    samples: int
    scaled: bool


def run_time(kind: type[Input], work: float | None, past: Sequence[PastRun]) -> RunTime | None:
    """The run time of an input of this kind and work. None: there is no past run."""
    if not past:
        return None
    scaled = _scaled(kind, work, past) if work else []
    enough = len(scaled) >= min(MIN_SCALED, len(past))
    seconds = sorted(scaled if enough else [max(run.seconds, 0.0) for run in past])
    p50, p90 = (round(percentile(seconds, share), 3) for share in (0.5, 0.9))
    return RunTime(p50, p90, len(seconds), enough)


def percentile(ordered: Sequence[float], share: float) -> float:
    """The percentile of sorted numbers, between two of them in proportion."""
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def _scaled(kind: type[Input], work: float, past: Sequence[PastRun]) -> list[float]:
    """The run times as they would be with this much work, of the runs whose work is known."""
    works = [(run.seconds, past_work(kind, run)) for run in past]
    return [max(seconds, 0.0) * work / known for seconds, known in works if known]


def past_work(kind: type[Input], run: PastRun) -> float | None:
    """The work of a past run. None: unknown, or its input is of an earlier release."""
    try:
        stored = kind.model_validate_json(json.dumps(run.input))
    except ValidationError:
        return None
    return stored.work(run.result_seconds)
