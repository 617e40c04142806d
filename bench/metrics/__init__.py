"""Benchmark of metrics: `python -m bench.metrics`."""
