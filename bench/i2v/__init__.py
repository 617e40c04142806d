"""Benchmark of the Wan image-to-video runner: `python -m bench.i2v --help`."""
