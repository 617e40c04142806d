"""Simulation of autoscaling with real workers: `python -m bench.scaling --help`."""
