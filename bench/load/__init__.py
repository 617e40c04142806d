"""Load for an HTTP API: `python -m bench.load --help`."""
