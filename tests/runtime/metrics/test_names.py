"""Names and labels of the metrics, by the rules of Prometheus and our own."""

from __future__ import annotations

import re

import pytest

from runtime.metrics import api, worker
from runtime.metrics.metric import Kind

ALL = {metric.name: metric for metric in (*api.METRICS, *worker.METRICS)}
NAME = re.compile(r"(kinomill|http_server)(_[a-z]+)+")
UNITS = ("seconds", "bytes", "ratio")
NOT_UNITS = re.compile(r"(milli|micro|minutes|hours|kilo|mega|percent|_ms\b|_mb\b)")
FORBIDDEN_LABELS = {"job", "job_id", "account", "prompt", "path", "url", "key", "user", "instance"}
"""Labels without end, and those that Prometheus sets itself."""


def test_each_program_names_a_metric_once():
    for metrics in (api.METRICS, worker.METRICS):
        assert len({metric.name for metric in metrics}) == len(metrics) > 10


@pytest.mark.parametrize("metric", ALL.values(), ids=ALL)
def test_a_name_is_in_words_and_base_units(metric):
    assert NAME.fullmatch(metric.name)
    assert not NOT_UNITS.search(metric.name)
    assert (metric.kind is Kind.COUNTER) == metric.name.endswith("_total")
    if any(unit in metric.name for unit in UNITS):
        assert metric.name.removesuffix("_total").endswith(UNITS)


@pytest.mark.parametrize("metric", ALL.values(), ids=ALL)
def test_labels_are_few_and_bounded(metric):
    assert not FORBIDDEN_LABELS & set(metric.labels)
    assert len(metric.labels) <= 4
    assert len(set(metric.labels)) == len(metric.labels)


@pytest.mark.parametrize("metric", ALL.values(), ids=ALL)
def test_a_metric_says_what_it_means_in_a_sentence(metric):
    assert metric.help.endswith(".")
    assert 20 < len(metric.help) <= 160


@pytest.mark.parametrize(
    "metric", [each for each in ALL.values() if each.kind is Kind.HISTOGRAM], ids=lambda m: m.name
)
def test_buckets_of_a_histogram_ascend(metric):
    assert list(metric.buckets) == sorted(set(metric.buckets))
    assert 5 < len(metric.buckets) < 20
