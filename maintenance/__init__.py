"""The maintenance program: recovers jobs, wakes workers, sends webhooks, deletes expired data."""
