"""Acts of an operator (scope `admin`): queues, workers, maintenance mode, audit log, quotas."""
