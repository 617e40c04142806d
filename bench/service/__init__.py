"""Benchmark of the HTTP service against its peers: `python -m bench.service --help`."""
