"""Benchmark of a long queue against a short one: `python -m bench.queue_scaling --help`."""
