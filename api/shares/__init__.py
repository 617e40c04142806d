"""Shares: signed, read-only links to single jobs."""
