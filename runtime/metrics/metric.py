"""What describes a metric. Programs, docs and tests read the same lists of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import inf
from typing import Final

SECONDS: Final = (
    *(1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0),
    *(120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0),
)
"""Upper bounds of buckets for jobs, which take from seconds to an hour."""


class Kind(StrEnum):
    """Types of Prometheus."""

    GAUGE = "gauge"  #: goes up and down
    COUNTER = "counter"  #: only grows
    HISTOGRAM = "histogram"  #: counts observations by size


class Source(StrEnum):
    """Where the figures of a metric come from."""

    RECORD = "record"  #: the database: every API process answers the same
    PROCESS = "process"  #: the process that answers


@dataclass(frozen=True)
class Metric:
    """One metric, as Prometheus knows it."""

    name: str
    """With `_total` if it is a counter."""
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    """Upper bounds of a histogram's buckets, ascending, without infinity."""
    source: Source = Source.PROCESS

    @property
    def bounds(self) -> tuple[float, ...]:
        """Upper bounds of all buckets."""
        return (*self.buckets, inf)


def gauge(name: str, description: str, *labels: str, source: Source = Source.PROCESS) -> Metric:
    """Describe a gauge."""
    return Metric(name, Kind.GAUGE, description, labels, source=source)


def counter(name: str, description: str, *labels: str, source: Source = Source.PROCESS) -> Metric:
    """Describe a counter, whose name ends with `_total`."""
    return Metric(name, Kind.COUNTER, description, labels, source=source)


def histogram(
    name: str,
    description: str,
    *labels: str,
    buckets: tuple[float, ...] = SECONDS,
    source: Source = Source.PROCESS,
) -> Metric:
    """Describe a histogram."""
    return Metric(name, Kind.HISTOGRAM, description, labels, buckets, source)
