"""Traces of requests: FastAPI's spans, and the trace that a submission hands to its job."""
