"""Figures of metrics in the text format of Prometheus, or in OpenMetrics for those who ask.

`prometheus_client` is imported by the first scrape.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any

from runtime.metrics.metric import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runtime.metrics.metric import Metric


class Figures:
    """The figures of one scrape, to which each part of a program adds its own."""

    def __init__(self) -> None:
        self._values: dict[Metric, list[tuple[tuple[str, ...], float]]] = {}
        self._histograms: dict[Metric, list[tuple[tuple[str, ...], Sequence[float], float]]] = {}

    def add(self, metric: Metric, value: float, *labels: str) -> None:
        """Add the value of a gauge or counter for these labels, in the order of the metric's."""
        self._values.setdefault(metric, []).append((labels, value))

    def add_histogram(
        self, metric: Metric, counts: Sequence[float], total: float, *labels: str
    ) -> None:
        """Add how many observations each bucket got, that of infinity last, and their sum."""
        self._histograms.setdefault(metric, []).append((labels, counts, total))

    def metrics(self) -> tuple[Metric, ...]:
        """The metrics that have figures."""
        return (*self._values, *self._histograms)

    def collect(self) -> Iterator[Any]:
        """The families of `prometheus_client`, which calls this."""
        from prometheus_client.metrics_core import (
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
        )

        for metric, values in self._values.items():
            make = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
            family = make(metric.name, metric.help, labels=metric.labels)
            for labels, value in values:
                family.add_metric(labels, value)
            yield family
        for metric, histograms in self._histograms.items():
            buckets = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
            bounds = [*map(str, metric.buckets), "+Inf"]
            for labels, counts, total in histograms:
                so_far = list(zip(bounds, accumulate(counts), strict=True))
                buckets.add_metric(labels, buckets=so_far, sum_value=total)
            yield buckets


def render(figures: Figures, accept: str = "") -> tuple[bytes, str]:
    """The answer to a scrape with this Accept header, and its content type.

    It also has the standard metrics of the process (`process_…`).
    """
    from prometheus_client import CollectorRegistry
    from prometheus_client.exposition import choose_encoder
    from prometheus_client.process_collector import ProcessCollector

    registry = CollectorRegistry(auto_describe=False)
    ProcessCollector(registry=registry)
    registry.register(figures)
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type
