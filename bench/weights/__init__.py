"""Benchmark of weight downloads: `python -m bench.weights --help`."""
