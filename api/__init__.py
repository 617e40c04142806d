"""The HTTP API: accepts jobs and reports on them. It runs none, and never imports torch."""
