"""Benchmark of start-up times: `python -m bench.coldstart --help`."""
