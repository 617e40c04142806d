"""Acts of an operator: pause a queue, purge it, run failed jobs again, refuse submissions."""
