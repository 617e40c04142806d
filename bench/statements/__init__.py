"""SQL statements of a request and of a job: `python -m bench.statements --help`."""
