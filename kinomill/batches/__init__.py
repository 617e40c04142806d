"""Batches of the client: up to 10,000 rows in one request, followed together."""
