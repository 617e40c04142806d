"""Metrics for Prometheus: of the record, and of this process and its requests."""
