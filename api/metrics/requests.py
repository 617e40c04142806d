"""Counts requests and their time by route. About 1 microsecond a request.

A label is a route's template, never a path: a caller could otherwise create labels without end.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Final

from runtime.metrics.api import ACTIVE_REQUESTS, REQUEST_DURATION

if TYPE_CHECKING:
    from starlette.types import Scope

    from runtime.metrics.exposition import Figures

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER_METHOD: Final = "_OTHER"
"""Of OpenTelemetry, for methods that no standard knows."""
NO_ROUTE: Final = "none"
"""For paths that have no route, and requests that were refused before one was looked for."""
_SLOTS: Final = len(REQUEST_DURATION.bounds)


class RequestFigures:
    """Requests of this process. Only the thread of the event loop changes them."""

    def __init__(self) -> None:
        self.active = 0
        self._counts: dict[tuple[str, str, int], list[int]] = {}
        self._sums: dict[tuple[str, str, int], float] = {}

    def end(self, scope: Scope, status: int, seconds: float) -> None:
        """Count a request that was active, and has ended."""
        self.active -= 1
        method = scope["method"]
        self.observe(
            method if method in _METHODS else OTHER_METHOD,
            getattr(scope.get("route"), "path_format", NO_ROUTE),
            status,
            seconds,
        )

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request that has ended."""
        key = method, route, status // 100
        counts = self._counts.get(key)
        if counts is None:
            counts = self._counts[key] = [0] * _SLOTS
            self._sums[key] = 0.0
        counts[bisect_left(REQUEST_DURATION.buckets, seconds)] += 1
        self._sums[key] += seconds

    def add_to(self, figures: Figures) -> None:
        """Add them to a scrape."""
        figures.add(ACTIVE_REQUESTS, self.active)
        for (method, route, hundreds), counts in sorted(self._counts.items()):
            total = self._sums[method, route, hundreds]
            labels = method, route, f"{hundreds}xx"
            figures.add_histogram(REQUEST_DURATION, counts, total, *labels)
