"""The operator's commands: `queues`, `workers`, `limits`, `usage`, `audit`, `maintenance-mode`."""
