"""What a job is: its states and tables, and every change of a job, by API, worker or maintenance.

No HTTP: errors carry a code, which the API maps to a status. Functions take a session; the caller
commits.
"""
