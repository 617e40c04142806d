"""A picture of the Grafana dashboard after a run with faults: `python -m bench.dashboard`."""
