"""The maintenance program: recovers jobs, republishes, sends webhooks, deletes expired data."""
