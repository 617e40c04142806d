"""Accounts of callers: their API keys. Limits of an account are checked in `jobs`."""
