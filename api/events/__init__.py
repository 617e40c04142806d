"""Streams of server-sent events (SSE): the changes of a job as they happen."""
